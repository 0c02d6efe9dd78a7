// The state root: one directory per container, locked while a command works on it.
//
//   ROOT/<id>/state.json     the ContainerState, replaced atomically
//   ROOT/<id>/control.sock   the running sandbox's control socket
//
// The lock is flock(2) on the container's directory. A command that died holds no lock, so nothing a
// killed process leaves behind can block the next one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/container/state.h"

namespace runsc {

// A container's state directory, exclusively locked until destroyed or Unlock()ed.
class StateDirectory {
 public:
  StateDirectory(StateDirectory&&) = default;
  StateDirectory& operator=(StateDirectory&&) = default;

  const std::string& id() const { return id_; }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }

  absl::StatusOr<ContainerState> Read() const;
  absl::Status Write(const ContainerState& state) const;
  // config.json as the container was made of it, for later commands: the bundle may have changed, or be gone.
  absl::StatusOr<std::string> ReadConfig() const;
  absl::Status WriteConfig(const std::string& json) const;
  // Removes the directory; its contents are ours alone.
  absl::Status Remove();
  // Lets other commands in. Relock() fails with NotFound if the container was deleted meanwhile.
  void Unlock();
  absl::Status Relock();

 private:
  friend class StateStore;
  StateDirectory(std::string id, std::string path, int root_fd, UniqueFd fd)
      : id_(std::move(id)), path_(std::move(path)), root_fd_(root_fd), fd_(std::move(fd)) {}
  bool IsCurrent() const;

  std::string id_, path_;
  int root_fd_;  // owned by the store
  UniqueFd fd_;
};

class StateStore {
 public:
  // Makes the root if needed.
  static absl::StatusOr<StateStore> Open(const std::string& root);

  // A new, locked, empty directory. AlreadyExists if the id is in use; leftovers of a `create` that
  // was killed before it wrote its state are taken over.
  absl::StatusOr<StateDirectory> Create(std::string_view id);
  // Locks an existing one. NotFound if there is none: "container "x" does not exist".
  absl::StatusOr<StateDirectory> Lock(std::string_view id);
  // Opens one without locking it, for its control socket.
  absl::StatusOr<StateDirectory> OpenUnlocked(std::string_view id);
  // The state without taking the lock: writes are atomic, so readers need none.
  absl::StatusOr<ContainerState> Read(std::string_view id);
  std::vector<std::string> Ids() const;  // sorted

 private:
  StateStore(std::string root, UniqueFd fd) : root_(std::move(root)), fd_(std::move(fd)) {}
  absl::StatusOr<StateDirectory> OpenDirectory(std::string_view id);

  std::string root_;
  UniqueFd fd_;
};

}  // namespace runsc
