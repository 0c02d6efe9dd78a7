// Edits of the engines' configuration files: text in, text out. What is not ours is left as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace runsc {

struct RuntimeEntry {
  std::string name;  // "runsc"
  std::string path;  // of the program
  std::vector<std::string> arguments;
};

// Docker's daemon.json: adds or replaces runtimes.NAME. An empty text is an empty document. AlreadyExists if there is
// another runtime of that name, unless `replace`.
absl::StatusOr<std::string> AddDockerRuntime(std::string_view json, const RuntimeEntry& entry, bool replace);
absl::StatusOr<std::string> RemoveDockerRuntime(std::string_view json, std::string_view name);

// containerd's config.toml: a handler of its CRI plugin, run by the stock shim. It is added at the end between two
// comment lines, by which it is found again; everything else keeps its bytes. FailedPrecondition if the file defines
// the handler itself.
absl::StatusOr<std::string> AddContainerdRuntime(std::string_view toml, const RuntimeEntry& entry);
absl::StatusOr<std::string> RemoveContainerdRuntime(std::string_view toml, std::string_view name);

}  // namespace runsc
