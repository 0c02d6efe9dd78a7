// Socket options of unix sockets: those of level SOL_SOCKET.
#include <algorithm>

#include "sentry/kernel/task.h"
#include "sentry/net/guest_credentials.h"
#include "sentry/net/option_values.h"
#include "sentry/net/pidfd_of.h"
#include "sentry/net/unix_socket.h"

namespace runsc {
namespace {

// The option's bit in plain_options_, or 0.
uint32_t PlainBit(int name) {
  switch (name) {
    case SO_REUSEADDR:
      return 1;
    case SO_KEEPALIVE:
      return 2;
    case SO_BROADCAST:
      return 4;
    case SO_OOBINLINE:
      return 8;
    case SO_DONTROUTE:
      return 16;
    case SO_REUSEPORT:
      return 32;
    default:
      return 0;
  }
}

constexpr int kPassPidfd = 76, kPeerPidfd = 77;  // SO_PASSPIDFD, SO_PEERPIDFD of newer headers

}  // namespace

Result<std::string> UnixSocket::OpenPeerPidfd(Task& task) const {
  const int pid = endpoint_->peer_credentials().pid;
  if (pid == 0) return Errno(ENODATA);
  RefPtr<File> file = TRY(OpenPidfd(task, pid));
  return OptionBytes(TRY(task.fds().Install(std::move(file), true, 0, task.rlimit(RLIMIT_NOFILE))));
}

Result<std::optional<int>> UnixSocket::GetIntOption(int name) {
  if (const uint32_t bit = PlainBit(name)) return std::optional<int>((plain_options_ & bit) != 0);
  switch (name) {
    case SO_TYPE:
      return std::optional<int>(type());
    case SO_DOMAIN:
      return std::optional<int>(domain());
    case SO_PROTOCOL:
      return std::optional<int>(protocol());
    case SO_ERROR:
      return std::optional<int>(endpoint_->TakeError());
    case SO_ACCEPTCONN:
      return std::optional<int>(endpoint_->listening());
    case SO_SNDBUF:
      return std::optional<int>(static_cast<int>(endpoint_->send_buffer.load()));
    case SO_RCVBUF:
      return std::optional<int>(receive_buffer_.load());
    case SO_PASSCRED:
      return std::optional<int>(pass_credentials_.load());
    case kPassPidfd:
      return std::optional<int>(pass_pidfd_.load());
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
      return std::optional<int>(endpoint_->timestamps.load() == name);
    case SO_RCVLOWAT:
      return std::optional<int>(receive_low_water_.load());
    case SO_SNDLOWAT:
      return std::optional<int>(1);
    case SO_PRIORITY:
    case SO_DEBUG:
      return std::optional<int>(0);
    default:
      return std::optional<int>();
  }
}

Result<std::string> UnixSocket::GetOption(Task& task, int level, int name) {
  if (level != SOL_SOCKET) return Errno(EOPNOTSUPP);
  if (const auto value = TRY(GetIntOption(name))) return OptionBytes(*value);
  switch (name) {
    case SO_PEERCRED:
      return OptionBytes(CredentialsToGuest(task, endpoint_->peer_credentials()));
    case kPeerPidfd:
      return OpenPeerPidfd(task);
    case SO_RCVTIMEO:
      return TimeoutOption(receive_timeout_ns_);
    case SO_SNDTIMEO:
      return TimeoutOption(send_timeout_ns_);
    case SO_LINGER:
      return LingerOption(linger_seconds_);
    case SO_COOKIE:
      return OptionBytes(uint64_t{ino()});
    default:
      return Errno(ENOPROTOOPT);
  }
}

Result<void> UnixSocket::SetIntOption(Task& task, int name, int value) {
  if (const uint32_t bit = PlainBit(name)) {
    if (value != 0) {
      plain_options_ |= bit;
    } else {
      plain_options_ &= ~bit;
    }
    if (name == SO_OOBINLINE) endpoint_->urgent_inline = value != 0;
    return {};
  }
  switch (name) {
    case SO_PASSCRED:
      pass_credentials_ = value != 0;
      return {};
    case kPassPidfd:
      pass_pidfd_ = value != 0;
      return {};
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
      if (!task.creds()->Has(CAP_NET_ADMIN)) return Errno(EPERM);
      [[fallthrough]];
    case SO_SNDBUF:
    case SO_RCVBUF:
      if (name == SO_SNDBUF || name == SO_SNDBUFFORCE) {
        endpoint_->send_buffer =
            static_cast<size_t>(BufferSizeOption(value, name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE));
      } else {
        receive_buffer_ = BufferSizeOption(value, name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE);
      }
      return {};
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
      endpoint_->timestamps = value != 0 ? name : 0;
      return {};
    case SO_RCVLOWAT:
      receive_low_water_ = value <= 0 ? 1 : value;
      return {};
    default:
      return Errno(ENOPROTOOPT);
  }
}

Result<void> UnixSocket::SetOption(Task& task, int level, int name, std::string_view value) {
  if (level != SOL_SOCKET) return Errno(EOPNOTSUPP);
  switch (name) {
    case SO_RCVTIMEO:
      receive_timeout_ns_ = TRY(ParseTimeoutOption(value));
      return {};
    case SO_SNDTIMEO:
      send_timeout_ns_ = TRY(ParseTimeoutOption(value));
      return {};
    case SO_LINGER:
      linger_seconds_ = TRY(ParseLingerOption(value));
      return {};
    default:
      break;
  }
  return SetIntOption(task, name, TRY(ParseIntOption(value)));
}

}  // namespace runsc
