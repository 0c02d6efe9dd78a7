// What the gofer tells about a host file.
#pragma once

#include <sys/stat.h>
#include <time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace runsc {

// As statx: `dev` and `ino` identify the file on the host (never shown to the guest as they are).
struct FileAttr {
  uint64_t dev = 0;
  uint64_t ino = 0;
  uint32_t mode = 0;  // type and permission bits
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;  // of 512 bytes
  uint32_t blksize = 0;
  timespec atime{}, mtime{}, ctime{};
  timespec btime{};  // zero when the host file system keeps none
  uint64_t mount_id = 0;

  bool IsRegular() const { return S_ISREG(mode); }
  bool IsDirectory() const { return S_ISDIR(mode); }
  bool IsSymlink() const { return S_ISLNK(mode); }
};

// Changes for SetAttr: only what is set is changed. Times: tv_nsec may be UTIME_NOW.
struct FileAttrChange {
  std::optional<uint32_t> mode;  // permission bits, 07777
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size;
  std::optional<timespec> atime;
  std::optional<timespec> mtime;
};

struct GoferDirEntry {
  uint64_t ino = 0;
  uint64_t cursor = 0;  // pass to ReadDir to continue after this entry
  uint8_t type = 0;     // DT_*
  std::string name;
};

struct GoferListing {
  std::vector<GoferDirEntry> entries;
  bool at_end = false;  // nothing follows them
};

}  // namespace runsc
