// Message headers and ancillary data of socket calls.
#include "syscalls/socket_messages.h"

#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "sentry/net/guest_credentials.h"
#include "sentry/net/pidfd_of.h"
#include "sentry/net/unix_garbage.h"
#include "syscalls/fd_util.h"

namespace runsc {
namespace {

constexpr size_t kMaxRights = 253;     // SCM_MAX_FD
constexpr size_t kMaxControl = 20480;  // net.core.optmem_max
constexpr size_t kMaxInFlight = 1 << 16;
constexpr size_t kHeader = sizeof(cmsghdr);

size_t Align(size_t n) { return (n + 7) & ~size_t{7}; }

Result<void> ParseRights(Task& task, std::span<const std::byte> data, ControlData& control) {
  const size_t count = data.size() / sizeof(int);
  if (count + control.files.size() > kMaxRights) return Errno(EINVAL);
  for (size_t i = 0; i < count; ++i) {
    int fd;
    std::memcpy(&fd, data.data() + i * sizeof(int), sizeof(fd));
    control.files.push_back(TRY(task.fds().Get(fd)));
  }
  const bool privileged = task.creds()->Has(CAP_SYS_RESOURCE) || task.creds()->Has(CAP_SYS_ADMIN);
  const size_t limit = privileged ? kMaxInFlight : std::min<size_t>(task.rlimit(RLIMIT_NOFILE), kMaxInFlight);
  const auto too_many = [&] { return InFlightCount() + control.files.size() > limit; };
  if (too_many()) CollectUnixGarbage(true);
  return too_many() ? Result<void>(Errno(ETOOMANYREFS)) : Result<void>();
}

// Who the sender says he is: himself, unless he may lie.
Result<void> ParseCredentials(Task& task, std::span<const std::byte> data, ControlData& control) {
  ucred c;
  if (data.size() != sizeof(c)) return Errno(EINVAL);
  std::memcpy(&c, data.data(), sizeof(c));
  c = TRY(CredentialsFromGuest(task, c));
  const Credentials& own = *task.creds();
  const bool pid_ok = c.pid == task.pid() || own.Has(CAP_SYS_ADMIN);
  const bool uid_ok = c.uid == own.ruid || c.uid == own.euid || c.uid == own.suid || own.Has(CAP_SETUID);
  const bool gid_ok = c.gid == own.rgid || c.gid == own.egid || c.gid == own.sgid || own.Has(CAP_SETGID);
  if (!pid_ok || !uid_ok || !gid_ok) return Errno(EPERM);
  control.credentials = c;
  return {};
}

Result<void> ParseOne(Task& task, const cmsghdr& header, std::span<const std::byte> data, ControlData& control) {
  if (header.cmsg_level != SOL_SOCKET) {
    const auto* bytes = reinterpret_cast<const char*>(data.data());
    control.items.push_back({header.cmsg_level, header.cmsg_type, std::string(bytes, data.size())});
    return {};
  }
  if (header.cmsg_type == SCM_RIGHTS) return ParseRights(task, data, control);
  if (header.cmsg_type == SCM_CREDENTIALS) return ParseCredentials(task, data, control);
  return Errno(EINVAL);
}

// Ancillary data for the guest, built in sentry memory.
class ControlWriter {
 public:
  explicit ControlWriter(size_t room) : room_(std::min<size_t>(room, kMaxControl)) {}
  // False when the data had to be cut or did not fit at all.
  bool Put(int level, int type, const void* data, size_t size) {
    if (room_ - bytes_.size() < kHeader) return false;
    const size_t fits = std::min(size, room_ - bytes_.size() - kHeader);
    cmsghdr header{kHeader + fits, level, type};
    Append(&header, kHeader);
    Append(data, fits);
    bytes_.resize(std::min(Align(bytes_.size()), room_));
    return fits == size;
  }
  size_t RoomFor() const {
    const size_t left = room_ - bytes_.size();
    return left < kHeader ? 0 : left - kHeader;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  void Append(const void* data, size_t size) {
    const std::byte* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }
  const size_t room_;
  std::vector<std::byte> bytes_;
};

bool PutRights(Task& task, std::vector<RefPtr<File>>& files, bool cloexec, ControlWriter& writer) {
  std::vector<int> fds;
  const size_t room = writer.RoomFor() / sizeof(int);
  for (RefPtr<File>& file : files) {
    if (fds.size() == room) break;
    const auto fd = InstallFd(task, std::move(file), cloexec);
    if (!fd.ok()) break;
    fds.push_back(static_cast<int>(*fd));
  }
  if (!fds.empty()) writer.Put(SOL_SOCKET, SCM_RIGHTS, fds.data(), fds.size() * sizeof(int));
  return fds.size() == files.size();
}

// A descriptor of the sender, or why there is none.
bool PutPidfd(Task& task, int pid, ControlWriter& writer) {
  constexpr int kScmPidfd = 4;
  if (writer.RoomFor() < sizeof(int)) return false;
  int value = -ESRCH;
  if (auto file = OpenPidfd(task, pid); file.ok()) {
    const auto fd = InstallFd(task, std::move(*file), true);
    value = fd.ok() ? static_cast<int>(*fd) : -fd.error().value();
  }
  return writer.Put(SOL_SOCKET, kScmPidfd, &value, sizeof(value));
}

}  // namespace

Result<SocketAddress> CopyInAddress(Task& task, GuestAddr addr, int size) {
  SocketAddress out;
  if (size < 0 || static_cast<size_t>(size) > sizeof(out.storage)) return Errno(EINVAL);
  if (size > 0) TRY(task.CopyIn(addr, &out.storage, static_cast<size_t>(size)));
  out.size = static_cast<uint32_t>(size);
  return out;
}

Result<void> CopyOutAddress(Task& task, const SocketAddress& address, GuestAddr addr, GuestAddr size_addr) {
  const int room = TRY(task.CopyInObject<int>(size_addr));
  if (room < 0) return Errno(EINVAL);
  const uint32_t n = std::min(address.size, static_cast<uint32_t>(room));
  if (n > 0) TRY(task.CopyOut(addr, &address.storage, n));
  return task.CopyOutObject(size_addr, static_cast<int>(address.size));
}

Result<GuestMsghdr> CopyInMsghdr(Task& task, GuestAddr addr) {
  GuestMsghdr header = TRY(task.CopyInObject<GuestMsghdr>(addr));
  if (header.name == 0) header.name_size = 0;
  if (header.name_size < 0) return Errno(EINVAL);
  header.name_size = std::min<int>(header.name_size, sizeof(sockaddr_storage));
  return header;
}

Result<std::vector<iovec>> CopyInMessageIovecs(Task& task, const GuestMsghdr& header) {
  if (header.iov_count > IOV_MAX) return Errno(EMSGSIZE);
  return task.CopyInIovecs(header.iov, header.iov_count);
}

Result<ControlData> CopyInControl(Task& task, const GuestMsghdr& header) {
  ControlData control;
  if (header.control == 0 || header.control_size == 0) return control;
  if (header.control_size > kMaxControl) return Errno(ENOBUFS);
  std::vector<std::byte> bytes(header.control_size);
  TRY(task.CopyIn(header.control, bytes.data(), bytes.size()));
  for (size_t at = 0; at + kHeader <= bytes.size();) {
    cmsghdr one;
    std::memcpy(&one, bytes.data() + at, kHeader);
    if (one.cmsg_len < kHeader || one.cmsg_len > bytes.size() - at) return Errno(EINVAL);
    TRY(ParseOne(task, one, {bytes.data() + at + kHeader, one.cmsg_len - kHeader}, control));
    at += Align(one.cmsg_len);
  }
  return control;
}

Result<uint64_t> CopyOutControl(Task& task, const GuestMsghdr& header, ControlData& control, bool cloexec, int* flags) {
  ControlWriter writer(header.control == 0 ? 0 : header.control_size);
  bool complete = true;
  for (const ControlItem& item : control.items) {
    complete = writer.Put(item.level, item.type, item.data.data(), item.data.size()) && complete;
  }
  if (control.credentials) {
    const ucred shown = CredentialsToGuest(task, *control.credentials);
    complete = writer.Put(SOL_SOCKET, SCM_CREDENTIALS, &shown, sizeof(shown)) && complete;
  }
  if (!control.files.empty()) complete = PutRights(task, control.files, cloexec, writer) && complete;
  if (control.pidfd_of != 0) complete = PutPidfd(task, control.pidfd_of, writer) && complete;
  if (!complete) *flags |= MSG_CTRUNC;
  if (!writer.bytes().empty()) TRY(task.CopyOut(header.control, writer.bytes().data(), writer.bytes().size()));
  return writer.bytes().size();
}

}  // namespace runsc
