// A connection to a bus.
#include "runsc-cli/cgroup/dbus.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr int kTimeoutSeconds = 30;
constexpr size_t kMaxAuthLine = 512;

std::string Hex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out.push_back("0123456789abcdef"[static_cast<uint8_t>(c) >> 4]);
    out.push_back("0123456789abcdef"[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

}  // namespace

absl::StatusOr<DBusConnection> DBusConnection::Open(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof(address.sun_path)) return InvalidArgument("D-Bus socket ", path, ": the path is too long");
  memcpy(address.sun_path, path.data(), path.size());
  DBusConnection connection{UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  const int fd = connection.fd_.get();
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return HostError(errno, "connect to the D-Bus socket %s", path.c_str());
  }
  const timeval timeout = {kTimeoutSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  RETURN_IF_ERROR(connection.Authenticate());
  DBusMessage hello;
  hello.destination = hello.interface = "org.freedesktop.DBus";
  hello.path = "/org/freedesktop/DBus";
  hello.member = "Hello";
  RETURN_IF_ERROR(connection.Call(std::move(hello)).status());
  return connection;
}

// By the credentials that the socket carries.
absl::Status DBusConnection::Authenticate() {
  RETURN_IF_ERROR(Send(std::string(1, '\0') + Cat("AUTH EXTERNAL ", Hex(Cat(geteuid())), "\r\n")));
  std::string line;
  while (!line.ends_with("\r\n") && line.size() < kMaxAuthLine) {
    ASSIGN_OR_RETURN(const std::string byte, Receive(1));
    line += byte;
  }
  if (!line.starts_with("OK "))
    return absl::PermissionDeniedError(Cat("D-Bus refused us: ", line.substr(0, line.find('\r'))));
  return Send("BEGIN\r\n");
}

absl::Status DBusConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return HostError(errno, "send to D-Bus");
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DBusConnection::Receive(size_t size) {
  std::string bytes(size, '\0');
  for (size_t done = 0; done < size;) {
    const ssize_t n = recv(fd_.get(), bytes.data() + done, size - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return HostError(errno, "D-Bus gave no answer");
    if (n == 0) return absl::UnavailableError("D-Bus closed the connection");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

absl::StatusOr<DBusMessage> DBusConnection::ReceiveMessage() {
  ASSIGN_OR_RETURN(std::string bytes, Receive(kDBusHead));
  const std::optional<size_t> size = DBusMessageSize(bytes);
  if (!size || *size < bytes.size()) return absl::InternalError("D-Bus: malformed message");
  ASSIGN_OR_RETURN(const std::string rest, Receive(*size - bytes.size()));
  std::optional<DBusMessage> message = DecodeDBusMessage(bytes + rest);
  if (!message) return absl::InternalError("D-Bus: malformed message");
  return *std::move(message);
}

absl::StatusOr<DBusMessage> DBusConnection::Call(DBusMessage call) {
  call.serial = ++serial_;
  RETURN_IF_ERROR(Send(EncodeDBusMessage(call)));
  for (;;) {
    ASSIGN_OR_RETURN(DBusMessage message, ReceiveMessage());
    if (message.type == DBusType::kSignal)
      signals_.push_back(std::move(message));
    else if (message.reply_to != call.serial)
      continue;
    else if (message.type == DBusType::kReply)
      return message;
    else
      return absl::UnknownError(
          Cat(message.error, ": ", message.signature.starts_with('s') ? DBusReader(message.body).String() : ""));
  }
}

absl::StatusOr<DBusMessage> DBusConnection::NextSignal() {
  while (signals_.empty()) {
    ASSIGN_OR_RETURN(DBusMessage message, ReceiveMessage());
    if (message.type == DBusType::kSignal) signals_.push_back(std::move(message));
  }
  DBusMessage next = std::move(signals_.front());
  signals_.pop_front();
  return next;
}

}  // namespace runsc
