// Messages between a command and a running sandbox over a SOCK_SEQPACKET socket, descriptors beside them. A long one
// (the processes of a container may be thousands) is sent in several packets.
//
// control.sock: the client sends one request and gets one reply, as often as it likes.
// sync socket (create only, from SpawnSelf): the sandbox sends kReady; the command, once the container
// is on record, answers kCommit. A sandbox that sees the end of its sync socket before kCommit exits:
// a killed `create` leaves no process behind.
// link (one for each monitor): the monitor sends the number of a signal, int32_t, whenever it is sent one; the sandbox
// sends the process' wait status, int32_t, when it has ended. A monitor that is gone takes its process along.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace runsc {

inline constexpr uint32_t kControlMagic = 0x63736e72;  // "rnsc"
inline constexpr uint16_t kControlVersion = 3;
inline constexpr uint32_t kMaxControlPacket = 64 << 10;  // bytes of the body in one packet
inline constexpr uint32_t kMaxControlBody = 8 << 20;
inline constexpr uint32_t kMaxControlError = 4 << 10;  // longer texts of errors are cut
inline constexpr size_t kMaxControlFds = 250;          // the host allows 253

enum class ControlType : uint16_t {
  kStart = 1,      // run a container's init. ContainerRequest
  kSignal = 2,     // SignalRequest
  kWait = 3,       // waits for a process to end. WaitRequest, WaitReply
  kState = 4,      // ContainerRequest, StateReply
  kProcesses = 5,  // ContainerRequest, ProcessesReply
  kCreate = 6,     // another container in this sandbox. CreateRequest
  kExec = 7,       // another process in a container. ExecRequest, ExecReply
  kDestroy = 8,    // kill what is left of a container, and forget it. ContainerRequest
  kPause = 9,      // PauseRequest
  kLimit = 10,     // LimitRequest
  kFamily = 11,    // a container that kCreate will make gets stubs of its own. ContainerRequest, FamilyReply
  kTasks = 12,     // what the threads of a container do. ContainerRequest, TasksReply
  kStrace = 13,    // StraceRequest
  kReady = 16,     // sync: the sandbox is set up, or `error` and its text
  kCommit = 17,    // sync: CommitRequest. Reply only if start_now is set: as for kStart
};

// Starts every packet. In a reply, `error` is 0 or an errno; with an error the body is the text. A packet that says
// there is more is full; the packets after it have the same type and no descriptors.
struct ControlHeader {
  uint32_t magic = kControlMagic;
  uint16_t version = kControlVersion;
  uint16_t type = 0;
  uint32_t body_size = 0;  // in this packet
  int32_t error = 0;
  uint32_t more = 0;
};
static_assert(sizeof(ControlHeader) == 20);

// Instead of the guest's number of an inherited descriptor: it is the program to run, sealed, and not inherited.
inline constexpr int32_t kProgramNumber = 0;

struct ContainerRequest {
  std::string container;
  template <class V>
  void Visit(V& v) {
    v(container);
  }
};

struct SignalRequest {
  std::string container;
  int32_t pid = 0;  // as the container knows it; 0: its init
  int32_t signo = 0;
  bool all = false;   // every process of the container; pid is ignored
  int32_t group = 0;  // not 0: every process of this group, as the container numbers them; pid is ignored
  template <class V>
  void Visit(V& v) {
    v(container, pid, signo, all, group);
  }
};

struct WaitRequest {
  std::string container;
  int32_t pid = 0;  // as for SignalRequest; a process that was started by exec
  template <class V>
  void Visit(V& v) {
    v(container, pid);
  }
};

struct WaitReply {
  int32_t wait_status = 0;  // as wait(2) encodes it
  template <class V>
  void Visit(V& v) {
    v(wait_status);
  }
};

struct CommitRequest {
  bool start_now = false;
  template <class V>
  void Visit(V& v) {
    v(start_now);
  }
};

enum class ContainerPhase : uint32_t { kCreated = 1, kRunning = 2, kExited = 3 };

struct StateReply {
  ContainerPhase phase = ContainerPhase::kCreated;
  bool paused = false;
  template <class V>
  void Visit(V& v) {
    v(phase, paused);
  }
};

struct ProcessInfo {
  int32_t pid = 0, parent = 0;  // as the container knows them
  int32_t stub = 0;             // the process that runs its code, as the sandbox's pid namespace counts; 0: none now
  uint32_t uid = 0;
  int64_t cpu_ns = 0, start_ns = 0;  // used; monotonic time of the start
  std::string name;
  std::string arguments;  // a NUL after each; empty if it has none any more, cut if they are many
  uint64_t terminal = 0;  // the controlling one's device; 0: none
  bool zombie = false;
  template <class V>
  void Visit(V& v) {
    v(pid, parent, stub, uid, cpu_ns, start_ns, name, arguments, terminal, zombie);
  }
};

struct ProcessesReply {
  std::vector<ProcessInfo> processes;
  template <class V>
  void Visit(V& v) {
    v(processes);
  }
};

struct TaskInfo {
  int32_t tid = 0, pid = 0;  // as the sandbox's first pid namespace counts
  std::string name, doing;   // "guest code", "stopped", or the name of the call it is in
  template <class V>
  void Visit(V& v) {
    v(tid, pid, name, doing);
  }
};

struct TasksReply {
  std::vector<TaskInfo> tasks;
  template <class V>
  void Visit(V& v) {
    v(tasks);
  }
};

// Of the whole sandbox. Descriptor: the file that gets the lines; none: the sandbox's --debug-log.
struct StraceRequest {
  bool on = false;
  std::string calls;  // comma-separated; empty: all
  template <class V>
  void Visit(V& v) {
    v(on, calls);
  }
};

struct FamilyReply {
  int32_t ancestor = 0;  // of the container's stubs, as the sandbox's pid namespace counts: to be put in its place
  template <class V>
  void Visit(V& v) {
    v(ancestor);
  }
};

// Which of the sandbox's namespaces a container shares; others are its own.
struct SharedNamespaces {
  bool uts = false, ipc = false, net = false;
  std::string pid_of;  // the container whose pid namespace it joins; empty: its own
  template <class V>
  void Visit(V& v) {
    v(uts, ipc, net, pid_of);
  }
};

// Descriptors: config.json, the link, three of stdio, those to inherit, the gofer's channels, files of the cgroup.
struct CreateRequest {
  std::string container, bundle;
  SharedNamespaces shared;
  std::vector<int32_t> inherited;  // the guest's numbers of those to inherit
  uint32_t gofer_channels = 0;
  std::vector<std::string> cgroup_files;  // their names
  template <class V>
  void Visit(V& v) {
    v(container, bundle, shared, inherited, gofer_channels, cgroup_files);
  }
};

// Descriptors: the process as JSON, the link, three of stdio, those to inherit.
struct ExecRequest {
  std::string container;
  std::vector<int32_t> inherited;  // as CreateRequest's
  template <class V>
  void Visit(V& v) {
    v(container, inherited);
  }
};

struct ExecReply {
  int32_t pid = 0;  // as the container knows it
  template <class V>
  void Visit(V& v) {
    v(pid);
  }
};

struct LimitRequest {
  std::string container;
  int64_t tasks = -1;  // pids.limit; -1: any number
  template <class V>
  void Visit(V& v) {
    v(container, tasks);
  }
};

struct PauseRequest {
  std::string container;
  bool paused = false;
  template <class V>
  void Visit(V& v) {
    v(container, paused);
  }
};

}  // namespace runsc
