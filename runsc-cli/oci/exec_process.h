// The process of `exec`: from a process.json, or config.json's with what the command line changes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace runsc {

struct ProcessChanges {
  std::vector<std::string> args;
  std::vector<std::string> env;     // added
  std::string cwd;                  // "": config.json's
  std::string user;                 // "uid[:gid]"; "": config.json's
  std::vector<std::string> groups;  // additional gids; added
  std::vector<std::string> caps;    // added to every set
  bool terminal = false;
  bool no_new_privs = false;
};

// The JSON text of the process.
absl::StatusOr<std::string> ChangedProcess(std::string_view config_json, const ProcessChanges& changes);

}  // namespace runsc
