#include "runsc-cli/oci/exec_process.h"

#include "nlohmann/json.hpp"
#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/json_reader.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {
namespace {

using Json = nlohmann::json;

absl::StatusOr<uint32_t> ParseId(std::string_view flag, std::string_view text) {
  const std::optional<uint32_t> id = ParseNumber<uint32_t>(text);
  if (!id) return InvalidArgument(flag, ": \"", text, "\" is not a number");
  return *id;
}

absl::Status ChangeUser(Json& user, const ProcessChanges& changes) {
  if (!changes.user.empty()) {
    const auto parts = Split(changes.user, ':');
    if (parts.size() > 2) return InvalidArgument("--user: \"", changes.user, "\" is not UID[:GID]");
    ASSIGN_OR_RETURN(user["uid"], ParseId("--user", parts[0]));
    if (parts.size() == 2) {
      ASSIGN_OR_RETURN(user["gid"], ParseId("--user", parts[1]));
    }
  }
  for (const std::string& group : changes.groups) {
    ASSIGN_OR_RETURN(const uint32_t gid, ParseId("--additional-gids", group));
    user["additionalGids"].push_back(gid);
  }
  return absl::OkStatus();
}

void AddCapabilities(Json& capabilities, const std::vector<std::string>& names) {
  for (const char* set : {"bounding", "effective", "permitted", "ambient", "inheritable"}) {
    for (const std::string& name : names) capabilities[set].push_back(name);
  }
}

}  // namespace

absl::StatusOr<std::string> ChangedProcess(std::string_view config_json, const ProcessChanges& changes) {
  RETURN_IF_ERROR(CheckJsonText(config_json, kMaxSpecDepth));
  const Json config = Json::parse(config_json.begin(), config_json.end(), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object() || !config.contains("process") || !config["process"].is_object()) {
    return absl::InvalidArgumentError("config.json: no process");
  }
  Json process = config["process"];
  process["args"] = changes.args;
  process["terminal"] = changes.terminal;
  for (const std::string& entry : changes.env) process["env"].push_back(entry);
  if (!changes.cwd.empty()) process["cwd"] = changes.cwd;
  RETURN_IF_ERROR(ChangeUser(process["user"], changes));
  if (!changes.caps.empty()) AddCapabilities(process["capabilities"], changes.caps);
  if (changes.no_new_privs) process["noNewPrivileges"] = true;
  return process.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace runsc
