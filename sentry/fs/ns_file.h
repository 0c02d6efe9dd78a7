// Namespaces as files: what the links in /proc/PID/ns lead to, for setns(2) and ioctl_ns(2).
#pragma once

#include "sentry/kernel/namespaces.h"
#include "sentry/vfs/file.h"

namespace runsc {

// A namespace of any kind. Null objects stand for the sandbox's first one of the kind.
struct NamespaceHandle {
  int flag = 0;  // CLONE_NEW*
  uint64_t ino = 0;
  RefPtr<UserNamespace> owner;    // for a user namespace: the one around it
  RefPtr<UserNamespace> user;     // CLONE_NEWUSER
  RefPtr<PidNamespace> pid;       // CLONE_NEWPID
  RefPtr<UtsNamespace> uts;       // CLONE_NEWUTS
  RefPtr<PlainNamespace> plain;   // CLONE_NEWIPC, CLONE_NEWNET
  RefPtr<MountNamespace> mounts;  // CLONE_NEWNS

  bool is_first() const { return !user && !pid && !uts && !plain && !mounts; }
};

NamespaceHandle HandleOf(int flag, Task& task, bool for_children = false);
NamespaceHandle HandleOf(RefPtr<UserNamespace> ns);
NamespaceHandle HandleOf(RefPtr<PidNamespace> ns);
std::string NamespaceText(const NamespaceHandle& handle);  // "user:[4026531837]"

class NsFile : public File {
 public:
  static const char kKind;
  NsFile(Path path, int flags, NamespaceHandle handle) : File(std::move(path), flags), handle_(std::move(handle)) {}
  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return 0; }
  std::string Describe() const override { return NamespaceText(handle_); }
  bool positioned() const override { return true; }  // to pread(2) it says EINVAL, as to read(2)
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;
  const NamespaceHandle& handle() const { return handle_; }

 private:
  const NamespaceHandle handle_;
};

// A path that opens the namespace.
Result<Path> PathToNamespace(const NamespaceHandle& handle);

}  // namespace runsc
