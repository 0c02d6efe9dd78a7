// Takes away, after exec, everything a helper process does not need.
#include "platform/host/jail_unsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/host/capabilities_unsafe.h"
#include "platform/host/gofer_filter.h"
#include "platform/host/mounts_unsafe.h"
#include "platform/host/seccomp_filter.h"
#include "platform/host/sentry_filter.h"
#include "platform/host/status_util.h"

namespace runsc {
namespace {

// To give files the owner and mode the guest asked for and to reach them whatever their mode. The
// sentry decides who may; nothing here lets the gofer mount, open devices or leave its tree.
constexpr uint64_t kGoferCapabilities =
    1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID;

absl::Status SetTreeAttributes(int tree, bool read_only) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | (read_only ? MOUNT_ATTR_RDONLY : 0);
  attributes.propagation = MS_PRIVATE;
  if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) == 0) {
    return absl::OkStatus();
  }
  if (errno == ENOSYS) return absl::OkStatus();  // before Linux 5.12: the gofer's own checks remain
  return HostError(errno, "set attributes of a mount");
}

absl::StatusOr<UniqueFd> ResolveAttach(const GoferJailOptions::Attach& attach) {
  if (attach.fd < 0) return OpenAttachTree(attach.tree);
  UniqueFd fd(fcntl(attach.fd, F_DUPFD_CLOEXEC, 3));
  if (!fd.valid()) return HostError(errno, "take over attach point %d", attach.fd);
  close(attach.fd);
  return fd;
}

// A procfs nobody else can reach, or the host's if it does not let us mount one.
absl::StatusOr<UniqueFd> OpenProcSelfFd(std::string* warning) {
  auto proc = NewProcfs();
  int base = AT_FDCWD;
  const char* path = "/proc/self/fd";
  if (proc.ok()) {
    base = proc->get();
    path = "self/fd";
  } else {
    *warning = absl::StrCat(proc.status().message(), "; using the host's procfs");
  }
  UniqueFd fd(openat(base, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return HostError(errno, "open %s", path);
  return fd;
}

}  // namespace

absl::StatusOr<SentryJail> EnterSentryJail() {
  SentryJail jail;
  RETURN_IF_ERROR(MakeMountsPrivate());
  auto proc = NewProcfs();  // while the host's is still in sight: a new one may show no more than it
  ASSIGN_OR_RETURN(UniqueFd root, NewTmpfs());
  RETURN_IF_ERROR(PivotInto(root.get()));
  if (proc.ok()) {
    RETURN_IF_ERROR(AttachInRoot(root.get(), proc->get(), "proc"));
    jail.proc_root = *std::move(proc);
  } else {
    jail.warning = std::string(proc.status().message());
  }
  RETURN_IF_ERROR(SealRoot());
  RETURN_IF_ERROR(LimitCapabilities(0));
  return jail;
}

absl::Status LockDownSentry(int proc_root, bool traces_stubs) {
  RETURN_IF_ERROR(SetUndumpable());
  ASSIGN_OR_RETURN(SeccompProgram program, CompileFilter(SentryFilter(proc_root, traces_stubs)));
  return InstallFilter(program);
}

absl::StatusOr<UniqueFd> OpenAttachTree(const AttachTree& tree) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (tree.recursive ? AT_RECURSIVE : 0);
  UniqueFd fd(open_tree(AT_FDCWD, tree.path.c_str(), flags));
  if (!fd.valid()) return HostError(errno, "clone the mount tree at %s", tree.path.c_str());
  RETURN_IF_ERROR(SetTreeAttributes(fd.get(), tree.read_only));
  return fd;
}

absl::StatusOr<GoferJail> EnterGoferJail(const GoferJailOptions& options) {
  GoferJail jail;
  RETURN_IF_ERROR(MakeMountsPrivate());
  for (const auto& attach : options.attaches) {
    ASSIGN_OR_RETURN(UniqueFd fd, ResolveAttach(attach));
    jail.attaches.push_back(std::move(fd));
  }
  ASSIGN_OR_RETURN(jail.proc_self_fd, OpenProcSelfFd(&jail.warning));
  ASSIGN_OR_RETURN(UniqueFd root, NewTmpfs());
  RETURN_IF_ERROR(PivotInto(root.get()));
  RETURN_IF_ERROR(SealRoot());
  RETURN_IF_ERROR(LimitCapabilities(kGoferCapabilities));
  return jail;
}

absl::Status LockDownGofer() {
  RETURN_IF_ERROR(SetUndumpable());
  ASSIGN_OR_RETURN(SeccompProgram program, CompileFilter(GoferFilter()));
  return InstallFilter(program);
}

absl::Status SetUndumpable() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return HostError(errno, "prctl PR_SET_DUMPABLE");
  return absl::OkStatus();
}

}  // namespace runsc
