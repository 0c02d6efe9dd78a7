// Host file helpers.
#include "runsc-cli/base/file_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "platform/base/unique_fd.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return HostError(errno, "write %s", path.c_str());
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status TooLarge(const std::string& path, size_t max_size) {
  return InvalidArgument(path, ": larger than the ", max_size, " bytes allowed");
}

absl::StatusOr<std::string> ReadOpenFile(int fd, const std::string& path, size_t max_size) {
  struct stat st;
  if (fstat(fd, &st) != 0) return HostError(errno, "stat %s", path.c_str());
  if (!S_ISREG(st.st_mode)) return InvalidArgument(path, ": not a regular file");
  if (static_cast<uint64_t>(st.st_size) > max_size) return TooLarge(path, max_size);
  std::string bytes(st.st_size, '\0');
  size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(used + 4096);  // the file may grow, or be in procfs
    const ssize_t n = read(fd, bytes.data() + used, bytes.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return HostError(errno, "read %s", path.c_str());
    if (n == 0) break;
    used += n;
    if (used > max_size) return TooLarge(path, max_size);
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace

absl::StatusOr<std::string> ReadFileAt(int dir_fd, const std::string& path, size_t max_size) {
  // O_NONBLOCK: a FIFO in place of the file must not hang us.
  UniqueFd fd(openat(dir_fd, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return HostError(errno, "open %s", path.c_str());
  return ReadOpenFile(fd.get(), path, max_size);
}

absl::StatusOr<std::string> ReadFd(int fd, size_t max_size) {
  if (lseek(fd, 0, SEEK_SET) != 0) return HostError(errno, "read descriptor %d", fd);
  return ReadOpenFile(fd, Cat("descriptor ", fd), max_size);
}

absl::Status WriteFileAtomicAt(int dir_fd, const std::string& path, std::string_view bytes, int mode) {
  const std::string temporary = Cat(path, ".tmp.", getpid());
  UniqueFd fd(openat(dir_fd, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) return HostError(errno, "create %s", temporary.c_str());
  absl::Status status = WriteAll(fd.get(), bytes, temporary);
  if (status.ok() && renameat(dir_fd, temporary.c_str(), dir_fd, path.c_str()) != 0) {
    status = HostError(errno, "rename %s to %s", temporary.c_str(), path.c_str());
  }
  if (!status.ok()) unlinkat(dir_fd, temporary.c_str(), 0);
  return status;
}

std::vector<DirectoryEntry> ListDirectory(int dir_fd, const std::string& path) {
  UniqueFd fd(openat(dir_fd, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(fd.valid() ? fdopendir(fd.get()) : nullptr, closedir);
  if (dir != nullptr) (void)fd.release();
  std::vector<DirectoryEntry> entries;
  while (const dirent* entry = dir ? readdir(dir.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type == DT_DIR});
  }
  return entries;
}

absl::Status MakeDirectories(const std::string& path, int mode) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    if (mkdir(prefix.c_str(), mode) != 0 && errno != EEXIST) {
      return HostError(errno, "create directory %s", prefix.c_str());
    }
    if (slash == path.npos) return absl::OkStatus();
  }
}

absl::StatusOr<std::string> AbsolutePath(std::string_view path) {
  std::string whole(path);
  if (!path.starts_with('/')) {
    char* cwd = getcwd(nullptr, 0);
    if (cwd == nullptr) return HostError(errno, "getcwd");
    whole = Cat(cwd, "/", path);
    free(cwd);
  }
  std::string clean;
  for (std::string_view part : Split(whole, '/')) {
    if (!part.empty() && part != ".") clean += Cat("/", part);
  }
  return clean.empty() ? "/" : clean;
}

std::string JoinPath(std::string_view base, std::string_view name) {
  if (name.starts_with('/')) return std::string(name);
  return Cat(base, base.ends_with('/') ? "" : "/", name);
}

}  // namespace runsc
