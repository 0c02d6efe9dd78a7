// runsc install and uninstall: makes the engines of this host know the runtime, or forget it.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/install/edit.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr size_t kMaxConfig = 4 << 20;

#define RUNSC_INSTALL_FLAGS                                                                                           \
  {"runtime", FlagKind::kString, "runsc", "", "name of the runtime"},                                                 \
      {"config_file", FlagKind::kString, "/etc/docker/daemon.json", "", "Docker's configuration; \"\": leave alone"}, \
  {                                                                                                                   \
    "containerd-config", FlagKind::kString, "/etc/containerd/config.toml", "",                                        \
        "containerd's configuration; \"\": leave alone"                                                               \
  }

constexpr FlagDef kInstallFlags[] = {
    RUNSC_INSTALL_FLAGS,
    {"clobber", FlagKind::kBool, "false", "", "replace another runtime of that name"},
    {"experimental", FlagKind::kBool, "false", "", "gVisor's", "", false},
    {"cgroupdriver", FlagKind::kString, "", "", "gVisor's", "", false},
};
constexpr FlagDef kUninstallFlags[] = {RUNSC_INSTALL_FLAGS};

absl::StatusOr<std::string> ReadOrEmpty(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, path, kMaxConfig);
  if (!text.ok() && ToErrno(text.status()) == Errno(ENOENT)) return std::string();
  return text;
}

// The whole new text in one step, with the mode that the file had. What was there stays beside it.
absl::Status Replace(const std::string& path, const std::string& before, const std::string& after) {
  struct stat st {};
  const bool existed = stat(path.c_str(), &st) == 0;
  const int mode = existed ? static_cast<int>(st.st_mode & 07777) : 0644;
  if (existed) RETURN_IF_ERROR(WriteFileAtomicAt(AT_FDCWD, Cat(path, ".before-runsc"), before, mode));
  return WriteFileAtomicAt(AT_FDCWD, path, after, mode);
}

// An engine that is not here has no directory for its configuration.
bool EngineIsHere(const std::string& path, bool asked) {
  if (path.empty()) return false;
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  return asked || access(directory.empty() ? "." : directory.c_str(), F_OK) == 0;
}

template <typename Edit>
absl::Status EditFile(const FlagSet& flags, const char* flag, std::string_view restart, bool& any, Edit edit) {
  const std::string& path = flags.GetString(flag);
  if (!EngineIsHere(path, flags.IsSet(flag))) return absl::OkStatus();
  any = true;
  ASSIGN_OR_RETURN(const std::string before, ReadOrEmpty(path));
  const absl::StatusOr<std::string> after = edit(before);
  if (!after.ok()) return absl::Status(after.status().code(), Cat(path, ": ", MessageOf(after.status())));
  if (*after == before) return Print(Cat(path, ": nothing to change\n"));
  RETURN_IF_ERROR(Replace(path, before, *after));
  return Print(Cat(path, ": changed; ", restart, "\n"));
}

constexpr char kRestartDocker[] = "systemctl reload docker";
constexpr char kRestartContainerd[] = "systemctl restart containerd";

absl::Status NoEngine(bool any) {
  if (any) return absl::OkStatus();
  return absl::NotFoundError(
      "neither Docker nor containerd is configured here; name a file with --config_file or --containerd-config");
}

absl::StatusOr<std::string> OwnPath() {
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
  if (n <= 0) return HostError(errno, "read /proc/self/exe");
  return std::string(path, static_cast<size_t>(n));
}

absl::StatusOr<int> Install(const Invocation& invocation) {
  RuntimeEntry entry;
  entry.name = invocation.flags.GetString("runtime");
  ASSIGN_OR_RETURN(entry.path, OwnPath());
  for (std::string_view argument : invocation.args) entry.arguments.emplace_back(argument);
  const bool replace = invocation.flags.GetBool("clobber");
  bool any = false;
  RETURN_IF_ERROR(EditFile(invocation.flags, "config_file", kRestartDocker, any,
                           [&](const std::string& text) { return AddDockerRuntime(text, entry, replace); }));
  RETURN_IF_ERROR(EditFile(invocation.flags, "containerd-config", kRestartContainerd, any,
                           [&](const std::string& text) { return AddContainerdRuntime(text, entry); }));
  RETURN_IF_ERROR(NoEngine(any));
  return 0;
}

absl::StatusOr<int> Uninstall(const Invocation& invocation) {
  const std::string& name = invocation.flags.GetString("runtime");
  bool any = false;
  RETURN_IF_ERROR(EditFile(invocation.flags, "config_file", kRestartDocker, any,
                           [&](const std::string& text) { return RemoveDockerRuntime(text, name); }));
  RETURN_IF_ERROR(EditFile(invocation.flags, "containerd-config", kRestartContainerd, any,
                           [&](const std::string& text) { return RemoveContainerdRuntime(text, name); }));
  RETURN_IF_ERROR(NoEngine(any));
  return 0;
}

}  // namespace

const Verb kInstallVerb = {"install",
                           "[-- runtime arguments...]",
                           "tell Docker and containerd of this runtime",
                           kInstallFlags,
                           0,
                           kAnyNumber,
                           Install,
                           false};
const Verb kUninstallVerb = {"uninstall", "",   "make Docker and containerd forget this runtime", kUninstallFlags, 0, 0,
                             Uninstall,   false};

}  // namespace runsc
