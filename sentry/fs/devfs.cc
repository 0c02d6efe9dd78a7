// What a fresh /dev contains.
#include "sentry/fs/devfs.h"

#include <sys/sysmacros.h>

namespace runsc {
namespace {

struct DevNode {
  const char* name;
  unsigned major, minor;
};

// All are root's, as OCI runtimes make them.
constexpr DevNode kNodes[] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

struct DevLink {
  const char* name;
  const char* target;
};

constexpr DevLink kLinks[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

struct DevDir {
  const char* name;
  uint32_t mode;
};

constexpr DevDir kDirs[] = {{"pts", 0755}, {"shm", 01777}, {"mqueue", 01777}};

}  // namespace

Result<void> PopulateDev(Inode& dir) {
  for (const DevNode& node : kNodes) {
    const uint64_t rdev = makedev(node.major, node.minor);
    TRY(dir.Create(node.name, {.mode = S_IFCHR | 0666, .uid = 0, .gid = 0, .rdev = rdev}));
  }
  for (const DevLink& link : kLinks) {
    TRY(dir.Create(link.name, {.mode = S_IFLNK | 0777, .uid = 0, .gid = 0, .symlink_target = link.target}));
  }
  for (const DevDir& sub : kDirs) {
    TRY(dir.Create(sub.name, {.mode = S_IFDIR | sub.mode, .uid = 0, .gid = 0}));
  }
  return {};
}

}  // namespace runsc
