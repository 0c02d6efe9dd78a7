// Messages between a command and a running sandbox: fixed layout, one per SOCK_SEQPACKET packet.
//
// control.sock: the client sends one request and gets one reply, as often as it likes.
// sync socket (create only, from SpawnSelf): the sandbox sends kReady; the command, once the container
// is on record, answers kCommit. A sandbox that sees the end of its sync socket before kCommit exits:
// a killed `create` leaves no process behind.
#pragma once

#include <cstdint>

namespace runsc {

inline constexpr uint32_t kControlMagic = 0x63736e72;  // "rnsc"
inline constexpr uint16_t kControlVersion = 1;
inline constexpr uint32_t kMaxControlBody = 32 << 10;

enum class ControlType : uint16_t {
  kStart = 1,      // run init. No body. Reply: no body
  kSignal = 2,     // body: SignalRequest. Reply: no body
  kWait = 3,       // waits for init to end. Reply body: WaitReply
  kState = 4,      // Reply body: StateReply
  kProcesses = 5,  // Reply body: int32_t guest pids
  kReady = 16,     // sync: the sandbox is set up, or `error` and its text
  kCommit = 17,    // sync: body CommitRequest. Reply only if start_now is set: as for kStart
};

// Starts every message. In a reply, `error` is 0 or an errno; with an error the body is the text.
struct ControlHeader {
  uint32_t magic = kControlMagic;
  uint16_t version = kControlVersion;
  uint16_t type = 0;
  uint32_t body_size = 0;
  int32_t error = 0;
};
static_assert(sizeof(ControlHeader) == 16);

struct SignalRequest {
  int32_t pid = 1;  // guest process
  int32_t signo = 0;
  uint32_t all = 0;  // every process; pid is ignored
};
static_assert(sizeof(SignalRequest) == 12);

struct CommitRequest {
  uint32_t start_now = 0;
};
static_assert(sizeof(CommitRequest) == 4);

struct WaitReply {
  int32_t wait_status = 0;  // as wait(2) encodes it
};
static_assert(sizeof(WaitReply) == 4);

enum class SandboxPhase : uint32_t { kCreated = 1, kRunning = 2, kExited = 3 };

struct StateReply {
  SandboxPhase phase = SandboxPhase::kCreated;
};
static_assert(sizeof(StateReply) == 4);

}  // namespace runsc
