// Cgroup directories.
#include "runsc-cli/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr size_t kMaxCgroupFile = 4 << 20;

// Controllers mounted together share a directory.
std::set<std::string> Directories(const CgroupPaths& paths) {
  std::set<std::string> out;
  for (const auto& [controller, path] : paths) out.insert(path);
  return out;
}

absl::Status WriteControl(const std::string& file, std::string_view value) {
  const UniqueFd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return HostError(errno, "open %s", file.c_str());
  if (write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size())) return absl::OkStatus();
  return HostError(errno, "write \"%s\" to %s", std::string(value).c_str(), file.c_str());
}

std::string ReadControl(const std::string& file) {
  const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, file, kMaxCgroupFile);
  if (!text.ok()) return {};
  std::string_view trimmed = *text;
  while (ConsumeSuffix(trimmed, "\n")) {
  }
  return std::string(trimmed);
}

// A new v1 cpuset is empty and takes no process: it begins with its parent's CPUs and memory nodes.
absl::Status InheritCpuset(const std::string& parent, const std::string& directory) {
  for (const char* name : {"/cpuset.cpus", "/cpuset.mems"}) {
    if (!ReadControl(directory + name).empty()) continue;
    RETURN_IF_ERROR(WriteControl(directory + name, ReadControl(parent + name)));
  }
  return absl::OkStatus();
}

// One by one, as a controller that is refused must not keep the others away; what is missing at the end shows when a
// limit is written.
void EnableControllers(const std::string& directory) {
  const std::string controllers = ReadControl(directory + "/cgroup.controllers");
  for (std::string_view name : Split(controllers, ' ')) {
    if (name.empty()) continue;
    const absl::Status enabled = WriteControl(directory + "/cgroup.subtree_control", Cat("+", name));
    if (!enabled.ok()) LogDebug(MessageOf(enabled));
  }
}

absl::Status MakeOne(const CgroupHierarchy& hierarchy, const std::string& parent, const std::string& directory) {
  if (hierarchy.unified()) EnableControllers(parent);
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
    return HostError(errno, "make cgroup %s", directory.c_str());
  const bool cpuset = std::find(hierarchy.names.begin(), hierarchy.names.end(), "cpuset") != hierarchy.names.end();
  return cpuset ? InheritCpuset(parent, directory) : absl::OkStatus();
}

// Every directory from the mount point down to `path`.
absl::Status MakeInHierarchy(const CgroupHierarchy& hierarchy, const std::string& path) {
  size_t slash = hierarchy.mount_point.size();
  while (slash < path.size()) {
    const size_t end = std::min(path.find('/', slash + 1), path.size());
    RETURN_IF_ERROR(MakeOne(hierarchy, path.substr(0, slash), path.substr(0, end)));
    slash = end;
  }
  return absl::OkStatus();
}

bool IsMissing(const absl::Status& status) { return ToErrno(status) == Errno(ENOENT); }

absl::Status NoController(const CgroupSetting& setting) {
  return absl::FailedPreconditionError(
      Cat("cannot set ", setting.file, ": the ", setting.controller, " controller is not available on this host"));
}

absl::Status WriteSetting(const CgroupPaths& paths, const CgroupSetting& setting) {
  const std::string file = CgroupFile(paths, setting.controller, setting.file);
  if (file.empty()) return NoController(setting);
  absl::Status written = WriteControl(file, setting.value);
  if (!IsMissing(written)) return written;
  // The weights of the BFQ scheduler are in files of their own, and the others exist only with iocost or CFQ.
  const size_t weight = setting.file.find("weight");
  if (weight != std::string::npos && !setting.file.starts_with("cpu")) {
    const std::string bfq = CgroupFile(paths, setting.controller, Cat(setting.file.substr(0, weight), "bfq.weight"));
    if (!IsMissing(WriteControl(bfq, setting.value))) return WriteControl(bfq, setting.value);
  }
  return NoController(setting);
}

std::vector<std::string> Children(const std::string& directory) {
  std::vector<std::string> children;
  for (const DirectoryEntry& entry : ListDirectory(AT_FDCWD, directory)) {
    if (entry.is_directory) children.push_back(Cat(directory, "/", entry.name));
  }
  return children;
}

void ListProcesses(const std::string& directory, std::set<pid_t>& pids) {
  for (std::string_view line : Split(ReadControl(directory + "/cgroup.procs"), '\n')) {
    const std::optional<pid_t> pid = ParseNumber<pid_t>(line);
    if (pid && *pid > 0) pids.insert(*pid);
  }
  for (const std::string& child : Children(directory)) ListProcesses(child, pids);
}

absl::Status RemoveTree(const std::string& directory) {
  if (rmdir(directory.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  for (const std::string& child : Children(directory)) RETURN_IF_ERROR(RemoveTree(child));
  if (rmdir(directory.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return HostError(errno, "remove cgroup %s", directory.c_str());
}

void KillAll(const std::set<std::string>& directories) {
  std::set<pid_t> pids;
  for (const std::string& directory : directories) ListProcesses(directory, pids);
  for (const pid_t pid : pids) kill(pid, SIGKILL);
}

absl::Status RemoveTrees(const std::set<std::string>& directories) {
  absl::Status first;
  for (const std::string& directory : directories) first.Update(RemoveTree(directory));
  return first;
}

}  // namespace

absl::Status CheckCgroupIsFree(const CgroupPaths& paths) {
  for (const std::string& directory : Directories(paths)) {
    const std::string processes = ReadControl(directory + "/cgroup.procs");
    if (processes.empty()) continue;
    return absl::AlreadyExistsError(Cat("cgroup ", directory, " is in use by process ", Split(processes, '\n')[0]));
  }
  return absl::OkStatus();
}

absl::Status MakeCgroup(const std::vector<CgroupHierarchy>& hierarchies, const CgroupPaths& paths) {
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    const auto place = paths.find(hierarchy.names[0]);
    if (place == paths.end()) continue;
    const absl::Status made = MakeInHierarchy(hierarchy, place->second);
    if (made.ok()) continue;
    RemoveCgroup(paths, false).IgnoreError();
    return made;
  }
  return absl::OkStatus();
}

absl::Status ApplyResources(const CgroupPaths& paths, const SpecResources& resources) {
  const bool v2 = IsUnifiedOnly(paths);
  ASSIGN_OR_RETURN(const CgroupSettings plan, v2 ? SettingsV2(resources) : SettingsV1(resources));
  for (const std::string& warning : plan.warnings) Log::ReportWarning(warning);
  // One limit may be legal only after another was moved (memory and memory with swap, quota and period): what is
  // refused gets a second try when all others are written.
  std::vector<const CgroupSetting*> refused;
  for (const CgroupSetting& setting : plan.settings) {
    if (!WriteSetting(paths, setting).ok()) refused.push_back(&setting);
  }
  for (const CgroupSetting* setting : refused) RETURN_IF_ERROR(WriteSetting(paths, *setting));
  return absl::OkStatus();
}

absl::StatusOr<CgroupEntrance> OpenEntrance(const CgroupPaths& paths) {
  CgroupEntrance entrance;
  entrance.view = OpenCgroupView(paths);
  const auto unified = paths.find("");
  if (unified != paths.end()) {
    entrance.unified.reset(open(unified->second.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!entrance.unified.valid()) return HostError(errno, "open cgroup %s", unified->second.c_str());
  }
  for (const std::string& directory : Directories(paths)) {
    if (unified != paths.end() && directory == unified->second) continue;
    const std::string file = directory + "/cgroup.procs";
    UniqueFd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid()) return HostError(errno, "open %s", file.c_str());
    entrance.v1_procs.push_back(std::move(fd));
  }
  return entrance;
}

absl::Status MoveToCgroup(const CgroupEntrance& entrance, pid_t pid) {
  const std::string text = Cat(pid);
  UniqueFd unified;
  std::vector<int> files;
  if (entrance.unified.valid()) {
    unified.reset(openat(entrance.unified.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
    if (!unified.valid()) return HostError(errno, "open cgroup.procs");
    files.push_back(unified.get());
  }
  for (const UniqueFd& procs : entrance.v1_procs) files.push_back(procs.get());
  for (const int file : files) {
    if (write(file, text.data(), text.size()) < 0) return HostError(errno, "move process %d to its cgroup", pid);
  }
  return absl::OkStatus();
}

// Ending processes leave their cgroup a moment after their parent knows of it; and who was about to enter it, or to
// fork there, was on no list yet.
absl::Status RemoveCgroup(const CgroupPaths& paths, bool kill_processes) {
  constexpr int kAttempts = 12;  // 1 ms to 1 s: 3 s in all
  const std::set<std::string> directories = Directories(paths);
  timespec pause = {0, 1'000'000};
  for (int attempt = 0;; ++attempt) {
    if (kill_processes) KillAll(directories);
    absl::Status removed = RemoveTrees(directories);
    if (removed.ok() || !(ToErrno(removed) == Errno(EBUSY)) || attempt == kAttempts) return removed;
    nanosleep(&pause, nullptr);
    pause.tv_nsec *= 2;
    if (pause.tv_nsec >= 1'000'000'000) pause = {1, 0};
  }
}

std::string CgroupFile(const CgroupPaths& paths, const std::string& controller, std::string_view file) {
  const auto found = paths.find(IsUnifiedOnly(paths) ? "" : controller);
  return found == paths.end() ? std::string() : Cat(found->second, "/", file);
}

}  // namespace runsc
