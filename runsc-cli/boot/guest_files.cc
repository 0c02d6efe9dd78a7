#include "runsc-cli/boot/guest_files.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/guest_mounts.h"
#include "runsc-cli/boot/runtime_access.h"
#include "sentry/fs/tmpfs.h"
#include "sentry/vfs/mount.h"

namespace runsc {
namespace {

absl::Status Failed(std::string_view field, std::string_view path, Errno error) {
  return HostError(error.value(), "%s", Cat(field, ": ", path).c_str());
}

uint32_t TypeBits(std::string_view type) {
  if (type == "b") return S_IFBLK;
  return type == "p" ? S_IFIFO : S_IFCHR;
}

// What is there already, made by the runtime or the image, gives way unless it is the same device.
Result<Path> MakeNode(Task& task, const SpecDevice& device) {
  const Resolver r = RuntimeResolver(task);
  Vfs& vfs = task.vfs();
  const uint32_t mode = TypeBits(device.type) | (device.file_mode & 07777);
  const uint64_t number =
      device.type == "p" ? 0 : makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  TRY(MakeGuestDirectories(task, device.path.substr(0, device.path.rfind('/') + 1)));
  const Result<Path> old = vfs.Lookup(r, r.root, device.path, Vfs::kNoFollow);
  if (old.ok()) {
    const Attr attr = TRY(old->dentry->inode()->GetAttr());
    if ((attr.mode & S_IFMT) == (mode & S_IFMT) && attr.rdev == number) return *old;
    TRY(vfs.Unlink(r, r.root, device.path));
  }
  return vfs.MknodPath(r, r.root, device.path, mode, number);
}

Result<void> MakeDevice(Task& task, const SpecDevice& device) {
  const Resolver r = RuntimeResolver(task);
  const Path node = TRY(MakeNode(task, device));
  TRY(task.vfs().Chown(r, node, device.uid, device.gid));
  return task.vfs().Chmod(r, node, device.file_mode & 07777);
}

// An empty directory or file over it that nobody can write to: runc's ways.
Result<void> Mask(Task& task, const Path& path) {
  Vfs& vfs = task.vfs();
  if (path.dentry->IsDir()) {
    return vfs.MountAt(NewTmpfs(task.kernel().backing(), TmpfsOptions{.mode = 0755}), path, MS_RDONLY, "tmpfs");
  }
  const Resolver r = RuntimeResolver(task);
  return vfs.BindMount(TRY(vfs.Lookup(r, r.root, "/dev/null", 0)), path, 0);
}

Result<void> MakeReadOnly(Task& task, const Path& path, const std::string& name) {
  Vfs& vfs = task.vfs();
  TRY(vfs.BindMount(path, path, MS_REC));
  const Resolver r = RuntimeResolver(task);
  const Path mounted = TRY(vfs.Lookup(r, r.root, name, 0));
  return vfs.Remount(mounted, mounted.mount->flags() | MS_RDONLY);
}

absl::Status ForEachExisting(Task& task, std::string_view field, const std::vector<std::string>& paths,
                             Result<void> (*change)(Task&, const Path&, const std::string&)) {
  const Resolver r = RuntimeResolver(task);
  for (const std::string& name : paths) {
    const Result<Path> path = task.vfs().Lookup(r, r.root, name, 0);
    if (!path.ok() && (path.error() == Errno(ENOENT) || path.error() == Errno(ENOTDIR))) continue;
    if (!path.ok()) return Failed(field, name, path.error());
    const Result<void> changed = change(task, *path, name);
    if (!changed.ok()) return Failed(field, name, changed.error());
  }
  return absl::OkStatus();
}

absl::Status SetRootPropagation(Task& task, std::string_view name) {
  if (name.empty()) return absl::OkStatus();
  const bool recursive = ConsumePrefix(name, "r");
  const uint64_t kind = name == "shared"       ? uint64_t{MS_SHARED}
                        : name == "slave"      ? uint64_t{MS_SLAVE}
                        : name == "unbindable" ? uint64_t{MS_UNBINDABLE}
                                               : uint64_t{MS_PRIVATE};
  const Result<void> set = task.vfs().SetPropagation(task.fs().root(), kind, recursive);
  return set.ok() ? absl::OkStatus() : Failed("linux.rootfsPropagation", name, set.error());
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n"), end = text.find_last_not_of(" \t\n");
  return begin == text.npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

Result<std::string> ReadSmallFile(Task& task, const RefPtr<File>& file) {
  std::string bytes(4096, '\0');
  BufferSink sink(std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
  TRY(file->Read(task, sink, nullptr));
  bytes.resize(sink.used());
  return bytes;
}

// Writes through the guest's own /proc/sys, as the runtime.
Result<void> SetSysctl(Task& task, const std::string& path, const std::string& value) {
  const Resolver r = RuntimeResolver(task);
  const RefPtr<File> reader = TRY(task.vfs().Open(r, r.root, path, {.flags = O_RDONLY}));
  if (Trim(TRY(ReadSmallFile(task, reader))) == Trim(value)) return {};
  const RefPtr<File> writer = TRY(task.vfs().Open(r, r.root, path, {.flags = O_WRONLY}));
  BufferSource source(std::as_bytes(std::span(value.data(), value.size())));
  const CredentialsRef own = task.creds();
  task.SetCreds(r.creds);
  const Result<size_t> written = writer->Write(task, source, nullptr);
  task.SetCreds(own);
  return written.ok() ? Result<void>() : Result<void>(written.error());
}

}  // namespace

absl::Status MakeDeviceNodes(Task& task, const Spec& spec) {
  for (const SpecDevice& device : spec.linux_.devices) {
    const Result<void> made = MakeDevice(task, device);
    if (!made.ok()) return Failed("linux.devices", device.path, made.error());
  }
  return absl::OkStatus();
}

absl::Status ProtectPaths(Task& task, const Spec& spec) {
  RETURN_IF_ERROR(ForEachExisting(task, "linux.readonlyPaths", spec.linux_.readonly_paths, MakeReadOnly));
  RETURN_IF_ERROR(ForEachExisting(task, "linux.maskedPaths", spec.linux_.masked_paths,
                                  [](Task& t, const Path& path, const std::string&) { return Mask(t, path); }));
  return SetRootPropagation(task, spec.linux_.rootfs_propagation);
}

absl::Status ApplySysctls(Task& task, const Spec& spec) {
  for (const auto& [name, value] : spec.linux_.sysctl) {
    std::string path = Cat("/proc/sys/", name);
    std::replace(path.begin(), path.end(), '.', '/');
    const Result<void> set = SetSysctl(task, path, value);
    if (set.ok()) continue;
    if (set.error() == Errno(EPERM)) {
      return absl::UnimplementedError(Cat("linux.sysctl: ", name, " cannot be changed in a sandbox"));
    }
    return Failed("linux.sysctl", name, set.error());
  }
  return absl::OkStatus();
}

}  // namespace runsc
