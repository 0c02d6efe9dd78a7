// One resolution of a path, step by step: path_resolution(7) and openat2(2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sentry/vfs/mount_table.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

class PathWalk {
 public:
  // `start` is not looked at for absolute paths.
  PathWalk(const Resolver& r, const MountTable& mounts, const Path& start, uint64_t resolve = 0)
      : r_(r), mounts_(mounts), start_(start), resolve_(resolve) {}

  // What the last component is: a name, or one of those that always exist.
  enum class LastKind { kName, kDot, kDotDot, kRoot };

  // Walks to the directory that holds the last component, which is then described by last_*().
  Result<void> ToParent(std::string_view path);
  // From there to what the last component names.
  Result<void> ToLast(bool follow);
  // Both.
  Result<void> ToEnd(std::string_view path, bool follow);

  // As ToLast, but one step only: goes to the last component if it exists and is not a symlink to be
  // followed; if it is one, goes to the parent of its target and returns kMoved. ENOENT leaves the
  // walk at the parent. For open(O_CREAT).
  enum class Step { kArrived, kMoved };
  Result<Step> StepLast(bool follow);

  const Path& at() const { return at_; }
  Path TakePath() { return std::move(at_); }
  LastKind last_kind() const { return last_kind_; }
  const std::string& last_name() const { return last_name_; }
  bool trailing_slash() const { return must_be_dir_; }

 private:
  Result<void> Begin(std::string_view path);
  Result<void> WalkComponent(std::string_view name, std::string_view rest);
  Result<Path> Child(std::string_view name, std::string_view rest);
  Result<void> Up();
  Result<void> Cross(Path& path);
  // Goes through a symlink: gives its text, or nothing when it led straight to at_ (magic link).
  Result<std::optional<std::string>> Follow(const Path& link);
  Result<void> JumpTo(Path target);

  const Resolver& r_;
  const MountTable& mounts_;
  const Path start_;
  const uint64_t resolve_;
  Path root_;  // what ".." and "/" cannot leave
  Path at_;
  LastKind last_kind_ = LastKind::kRoot;
  std::string last_name_;
  bool must_be_dir_ = false;
  bool begun_ = false;
  int links_ = 0;
};

}  // namespace runsc
