// What TCP and UDP sockets have in common: addresses' checks, options, interface ioctls.
#pragma once

#include "sentry/net/inet_options.h"
#include "sentry/net/net_stack.h"

namespace runsc {

class InetSocket : public Socket {
 public:
  Result<std::string> GetOption(Task& task, int level, int name) override;
  Result<void> SetOption(Task& task, int level, int name, std::string_view value) override;
  int64_t receive_timeout_ns() const override { return options_.receive_timeout_ns.load(); }
  int64_t send_timeout_ns() const override { return options_.send_timeout_ns.load(); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;

 protected:
  InetSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, int domain, int type, int protocol, int flags)
      : Socket(std::move(inode), domain, type, protocol, flags),
        stack_(std::move(stack)),
        options_(stack_->settings(), protocol) {}

  virtual int TakeError() = 0;
  virtual bool listening() const { return false; }
  virtual bool bound() const = 0;
  virtual bool has_peer() const = 0;
  virtual void OptionChanged(int level, int name) {}
  // Tells `ports` if it is an option that they look at.
  void UpdateReuse(int level, int name, PortTable& ports, PortOwner& owner) const;
  // Options of the protocol alone; nothing: unknown.
  virtual std::optional<std::string> GetOwnOption(int level, int name) { return std::nullopt; }
  virtual Result<void> SetOwnOption(int level, int name, std::string_view value) { return Errno(ENOPROTOOPT); }

  bool has_ports() const;  // ICMP has none
  bool option(int level, int name) const { return options_.on(level, name); }
  bool v6_only() const { return domain() == AF_INET6 && option(IPPROTO_IPV6, IPV6_V6ONLY); }
  PortClaim Claim(Task& task, const IpEndpoint& local) const;
  // The checks of bind(2). EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL.
  Result<PortClaim> ParseBind(Task& task, const SocketAddress& address) const;
  // Whether this socket can reach a peer's address at all.
  Result<void> CheckFamily(const IpAddress& to) const;

  const RefPtr<NetStack> stack_;
  InetOptions options_;

 private:
  std::optional<int> GetSocketInt(int name);
  Result<std::string> GetSocketOption(int name);
  Result<void> SetSocketOption(Task& task, int name, std::string_view value);
  Result<void> SetBuffer(Task& task, int name, int value);
  Result<void> SetDevice(std::string_view name);
  Result<void> CheckSet(Task& task, int level, int name) const;
};

Result<RefPtr<Socket>> NewInetSocket(Task& task, int domain, int type, int protocol);

}  // namespace runsc
