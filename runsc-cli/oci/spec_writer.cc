// Writes a Spec as config.json.
#include "nlohmann/json.hpp"
#include "runsc-cli/oci/names.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {
namespace {

using Json = nlohmann::ordered_json;

Json CapabilityNames(CapabilityMask mask) {
  Json names = Json::array();
  for (int i = 0; i < 64; ++i) {
    if (mask >> i & 1) names.push_back(std::string(CapabilityName(i)));
  }
  return names;
}

Json CapabilitiesToJson(const SpecCapabilities& caps) {
  Json out = Json::object();
  out["bounding"] = CapabilityNames(caps.bounding);
  out["effective"] = CapabilityNames(caps.effective);
  if (caps.inheritable != 0) out["inheritable"] = CapabilityNames(caps.inheritable);
  out["permitted"] = CapabilityNames(caps.permitted);
  if (caps.ambient != 0) out["ambient"] = CapabilityNames(caps.ambient);
  return out;
}

Json RlimitsToJson(const std::vector<SpecRlimit>& limits) {
  Json out = Json::array();
  for (const SpecRlimit& limit : limits) {
    Json row;
    row["type"] = std::string(RlimitName(limit.resource));
    row["hard"] = limit.hard;
    row["soft"] = limit.soft;
    out.push_back(std::move(row));
  }
  return out;
}

Json ProcessToJson(const SpecProcess& process) {
  Json out;
  out["terminal"] = process.terminal;
  out["user"]["uid"] = process.user.uid;
  out["user"]["gid"] = process.user.gid;
  if (!process.user.additional_gids.empty()) {
    out["user"]["additionalGids"] = process.user.additional_gids;
  }
  out["args"] = process.args;
  out["env"] = process.env;
  out["cwd"] = process.cwd;
  out["capabilities"] = CapabilitiesToJson(process.capabilities);
  out["rlimits"] = RlimitsToJson(process.rlimits);
  out["noNewPrivileges"] = process.no_new_privileges;
  return out;
}

Json MountsToJson(const std::vector<SpecMount>& mounts) {
  Json out = Json::array();
  for (const SpecMount& mount : mounts) {
    Json row;
    row["destination"] = mount.destination;
    row["type"] = mount.type;
    row["source"] = mount.source;
    if (!mount.options.empty()) row["options"] = mount.options;
    out.push_back(std::move(row));
  }
  return out;
}

Json NamespacesToJson(const std::vector<SpecNamespace>& namespaces) {
  Json out = Json::array();
  for (const SpecNamespace& ns : namespaces) {
    Json row;
    row["type"] = ns.type;
    if (!ns.path.empty()) row["path"] = ns.path;
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

std::string SpecToJson(const Spec& spec) {
  Json out;
  out["ociVersion"] = spec.oci_version;
  if (spec.process) out["process"] = ProcessToJson(*spec.process);
  if (spec.root) {
    out["root"]["path"] = spec.root->path;
    out["root"]["readonly"] = spec.root->readonly;
  }
  out["hostname"] = spec.hostname;
  out["mounts"] = MountsToJson(spec.mounts);
  if (!spec.annotations.empty()) out["annotations"] = spec.annotations;
  out["linux"]["namespaces"] = NamespacesToJson(spec.linux_.namespaces);
  if (!spec.linux_.masked_paths.empty()) out["linux"]["maskedPaths"] = spec.linux_.masked_paths;
  if (!spec.linux_.readonly_paths.empty()) out["linux"]["readonlyPaths"] = spec.linux_.readonly_paths;
  return out.dump(1, '\t', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace runsc
