// State directories on disk.
#include "runsc-cli/container/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/container/container_id.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {
namespace {

constexpr char kStateFile[] = "state.json";
constexpr char kConfigFile[] = "config.json";
constexpr size_t kMaxStateBytes = 4 << 20;

absl::Status NoSuchContainer(std::string_view id) {
  return absl::NotFoundError(Cat("container \"", id, "\" does not exist"));
}

absl::Status LockFd(int fd, const std::string& path) {
  int result;
  do {
    result = flock(fd, LOCK_EX);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? absl::OkStatus() : HostError(errno, "lock %s", path.c_str());
}

absl::StatusOr<UniqueFd> OpenStateRoot(const std::string& path) {
  RETURN_IF_ERROR(MakeDirectories(path, 0711));
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return HostError(errno, "open state directory %s", path.c_str());
  return fd;
}

}  // namespace

absl::StatusOr<ContainerState> StateDirectory::Read() const {
  absl::StatusOr<std::string> text = ReadFileAt(fd_.get(), kStateFile, kMaxStateBytes);
  if (!text.ok()) {
    if (ToErrno(text.status()) == Errno(ENOENT)) return NoSuchContainer(id_);
    return text.status();
  }
  absl::StatusOr<ContainerState> state = StateFromJson(*text);
  if (!state.ok()) {
    return absl::Status(state.status().code(), Cat(path_, "/", kStateFile, ": ", MessageOf(state.status())));
  }
  return state;
}

absl::Status StateDirectory::Write(const ContainerState& state) const {
  return WriteFileAtomicAt(fd_.get(), kStateFile, StateToJson(state), 0600);
}

absl::Status StateDirectory::WriteConfig(const std::string& json) const {
  return WriteFileAtomicAt(fd_.get(), kConfigFile, json, 0600);
}

absl::StatusOr<std::string> StateDirectory::ReadConfig() const {
  return ReadFileAt(fd_.get(), kConfigFile, kMaxSpecBytes);
}

absl::Status StateDirectory::Remove() {
  for (const DirectoryEntry& entry : ListDirectory(fd_.get(), ".")) {
    if (unlinkat(fd_.get(), entry.name.c_str(), 0) != 0 && errno != ENOENT) {
      return HostError(errno, "remove %s/%s", path_.c_str(), entry.name.c_str());
    }
  }
  if (unlinkat(root_fd_, id_.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return HostError(errno, "remove %s", path_.c_str());
  }
  return absl::OkStatus();
}

void StateDirectory::Unlock() { flock(fd_.get(), LOCK_UN); }

absl::Status StateDirectory::Relock() {
  RETURN_IF_ERROR(LockFd(fd_.get(), path_));
  return IsCurrent() ? absl::OkStatus() : NoSuchContainer(id_);
}

// Whether the locked directory is still the one of that name: it may have been deleted, and even made
// again, while we waited for the lock.
bool StateDirectory::IsCurrent() const {
  struct stat ours, named;
  return fstat(fd_.get(), &ours) == 0 && fstatat(root_fd_, id_.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

absl::StatusOr<StateStore> StateStore::Open(const std::string& root) {
  ASSIGN_OR_RETURN(std::string path, AbsolutePath(root));
  absl::StatusOr<UniqueFd> fd = OpenStateRoot(path);
  if (fd.ok()) return StateStore(std::move(path), *std::move(fd));
  if (ToErrno(fd.status()) != Errno(EACCES)) return fd.status();
  return absl::PermissionDeniedError(
      Cat(MessageOf(fd.status()), "; name a directory of yours with --root or XDG_RUNTIME_DIR"));
}

absl::StatusOr<StateDirectory> StateStore::OpenDirectory(std::string_view id) {
  std::string path = Cat(root_, "/", id);
  const std::string name(id);
  UniqueFd fd(openat(fd_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    if (errno == ENOENT) return NoSuchContainer(id);
    return HostError(errno, "open %s", path.c_str());
  }
  return StateDirectory(name, std::move(path), fd_.get(), std::move(fd));
}

absl::StatusOr<StateDirectory> StateStore::Create(std::string_view id) {
  RETURN_IF_ERROR(CheckContainerId(id));
  const std::string name(id);
  for (;;) {
    if (mkdirat(fd_.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
      return HostError(errno, "create %s/%s", root_.c_str(), name.c_str());
    }
    absl::StatusOr<StateDirectory> directory = OpenDirectory(id);
    if (absl::IsNotFound(directory.status())) continue;  // deleted in between
    if (!directory.ok()) return directory.status();
    RETURN_IF_ERROR(LockFd(directory->fd(), directory->path()));
    if (!directory->IsCurrent()) continue;
    if (faccessat(directory->fd(), kStateFile, F_OK, 0) == 0) {
      return absl::AlreadyExistsError(Cat("container with id \"", id, "\" already exists"));
    }
    return directory;
  }
}

absl::StatusOr<StateDirectory> StateStore::Lock(std::string_view id) {
  RETURN_IF_ERROR(CheckContainerId(id));
  ASSIGN_OR_RETURN(StateDirectory directory, OpenDirectory(id));
  RETURN_IF_ERROR(directory.Relock());
  return directory;
}

absl::StatusOr<StateDirectory> StateStore::OpenUnlocked(std::string_view id) {
  RETURN_IF_ERROR(CheckContainerId(id));
  return OpenDirectory(id);
}

absl::StatusOr<ContainerState> StateStore::Read(std::string_view id) {
  ASSIGN_OR_RETURN(StateDirectory directory, OpenUnlocked(id));
  return directory.Read();
}

std::vector<std::string> StateStore::Ids() const {
  std::vector<std::string> ids;
  for (DirectoryEntry& entry : ListDirectory(fd_.get(), ".")) {
    if (CheckContainerId(entry.name).ok()) ids.push_back(std::move(entry.name));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace runsc
