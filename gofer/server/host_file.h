// Operations on host files by descriptor: nothing here follows a link or leaves a directory.
#pragma once

#include <string>
#include <string_view>

#include "gofer/protocol.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// What the file behind `fd` (O_PATH will do) is.
Result<WireAttr> StatFile(int fd);
// What `name` in `dir` is; the link itself for a symlink. `name` is a plain name.
Result<WireAttr> StatChild(int dir, std::string_view name);

// An O_PATH descriptor of `name` in `dir`; of the link itself for a symlink. `name` is a plain name.
Result<UniqueFd> OpenChildPath(int dir, std::string_view name, uint64_t extra_flags = 0);

// Creates a regular file and opens it. `flags` are access and status flags.
Result<UniqueFd> CreateChild(int dir, std::string_view name, int flags, uint32_t mode);

// Target of the symlink behind the O_PATH descriptor.
Result<std::string> ReadLinkTarget(int link);
Result<std::string> ReadChildLinkTarget(int dir, std::string_view name);

// Turns O_PATH descriptors into opened ones through the /proc/self/fd directory it owns: the one
// magic link followed here, and it always leads to the file already held.
class Reopener {
 public:
  explicit Reopener(UniqueFd proc_self_fd) : proc_(std::move(proc_self_fd)) {}
  Result<UniqueFd> Open(int fd, int flags, uint32_t mode = 0) const;
  Result<void> Chmod(int fd, uint32_t mode) const;
  Result<void> LinkTo(int fd, int dir, std::string_view name) const;

 private:
  UniqueFd proc_;
};

}  // namespace runsc
