// Whole-file reads and atomic whole-file writes on the host.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace runsc {

// The file's bytes; an error if there are more than `max_size`. `dir_fd` may be AT_FDCWD.
absl::StatusOr<std::string> ReadFileAt(int dir_fd, const std::string& path, size_t max_size);

// The bytes of an open file from its start; an error if there are more than `max_size`.
absl::StatusOr<std::string> ReadFd(int fd, size_t max_size);

// Replaces the file in one step: a reader sees the old bytes or the new ones, never a mixture, also
// when this process is killed half-way.
absl::Status WriteFileAtomicAt(int dir_fd, const std::string& path, std::string_view bytes, int mode);

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
};

// What is in a directory, without "." and ".."; nothing if it cannot be read.
std::vector<DirectoryEntry> ListDirectory(int dir_fd, const std::string& path);

// Makes the directory and its parents where they are missing.
absl::Status MakeDirectories(const std::string& path, int mode);

// `path` made absolute by the working directory, without "." components and repeated slashes.
absl::StatusOr<std::string> AbsolutePath(std::string_view path);

// Joins with exactly one slash; an absolute `name` replaces `base`.
std::string JoinPath(std::string_view base, std::string_view name);

}  // namespace runsc
