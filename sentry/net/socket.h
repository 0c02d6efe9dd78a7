// What the socket calls work with, whatever the address family.
#pragma once

#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "sentry/fs/anon_file.h"
#include "sentry/kernel/deadline.h"

namespace runsc {

// A sockaddr as the guest gives or gets it.
struct SocketAddress {
  sockaddr_storage storage{};
  uint32_t size = 0;  // 0: none
  uint16_t family() const { return storage.ss_family; }
};

// A piece of ancillary data that is bytes only.
struct ControlItem {
  int level, type;
  std::string data;
};

// Ancillary data in the making or received.
struct ControlData {
  std::vector<RefPtr<File>> files;   // SCM_RIGHTS
  std::optional<ucred> credentials;  // SCM_CREDENTIALS
  std::vector<ControlItem> items;    // the rest
  int pidfd_of = 0;                  // received: SCM_PIDFD for this process
};

struct SendRequest {
  IoSource& src;
  int flags = 0;  // MSG_*
  const SocketAddress* to = nullptr;
  ControlData* control = nullptr;  // taken from once sent
};

struct ReceiveRequest {
  IoSink& dst;
  int flags = 0;
  bool wants_control = false;  // recvmsg; others drop what came along
  SocketAddress from;
  ControlData control;
  int out_flags = 0;  // MSG_TRUNC...
};

// Methods never block: EAGAIN means wait on wait_queue() and try again, unless O_NONBLOCK.
class Socket : public AnonFile {
 public:
  Socket(RefPtr<AnonInode> inode, int domain, int type, int protocol, int flags)
      : AnonFile(std::move(inode), "socket", O_RDWR | flags), domain_(domain), type_(type), protocol_(protocol) {}
  Socket* socket() override { return this; }
  int domain() const { return domain_; }
  int type() const { return type_; }
  int protocol() const { return protocol_; }

  virtual Result<void> Bind(Task& task, const SocketAddress& address) = 0;
  virtual Result<void> Listen(Task& task, int backlog) = 0;
  virtual Result<RefPtr<Socket>> Accept(Task& task, int flags) = 0;
  virtual Result<void> Connect(Task& task, const SocketAddress& address) = 0;
  virtual Result<void> Shutdown(int how) = 0;
  virtual Result<SocketAddress> GetName() = 0;
  virtual Result<SocketAddress> GetPeer() = 0;
  virtual Result<size_t> Send(Task& task, SendRequest& request) = 0;
  virtual Result<size_t> Receive(Task& task, ReceiveRequest& request) = 0;
  // The value's bytes; the caller truncates. ENOPROTOOPT.
  virtual Result<std::string> GetOption(Task& task, int level, int name) = 0;
  virtual Result<void> SetOption(Task& task, int level, int name, std::string_view value) = 0;
  virtual int64_t receive_timeout_ns() const { return 0; }  // SO_RCVTIMEO; 0: none
  virtual int64_t send_timeout_ns() const { return 0; }

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) override;

 private:
  const int domain_, type_, protocol_;
};

// For a new socket of the task's.
RefPtr<AnonInode> NewSocketInode(Task& task);

// socket(2) and socketpair(2). `type` includes SOCK_NONBLOCK. EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT.
Result<RefPtr<Socket>> NewSocket(Task& task, int domain, int type, int protocol);
struct SocketPair {
  RefPtr<Socket> first, second;
};
Result<SocketPair> NewSocketPair(Task& task, int domain, int type, int protocol);

}  // namespace runsc
