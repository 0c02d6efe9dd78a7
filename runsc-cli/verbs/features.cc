// runsc features: what this runtime can do, for engines that ask before they use it.
#include "nlohmann/json.hpp"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/mount_plan.h"
#include "runsc-cli/oci/names.h"
#include "runsc-cli/oci/seccomp_profile.h"
#include "runsc-cli/verbs/verb.h"
#include "runsc-cli/version.h"

namespace runsc {
namespace {

using Json = nlohmann::ordered_json;

Json Texts(const std::vector<std::string_view>& texts) {
  Json out = Json::array();
  for (std::string_view text : texts) out.push_back(std::string(text));
  return out;
}

Json Enabled(bool enabled) {
  Json out;
  out["enabled"] = enabled;
  return out;
}

Json SeccompFeatures() {
  Json out = Enabled(true);
  out["actions"] = Texts(SeccompActions());
  out["operators"] = Texts(SeccompOperators());
  out["archs"] = Texts(SeccompArchitectures());
  out["knownFlags"] = Texts(SeccompFlags());
  out["supportedFlags"] = Texts(SeccompFlags());
  return out;
}

Json CgroupFeatures() {
  Json out;
  out["v1"] = true;
  out["v2"] = true;
  out["systemd"] = true;
  out["systemdUser"] = true;
  out["rdma"] = true;
  return out;
}

Json LinuxFeatures() {
  Json out;
  out["namespaces"] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
  out["capabilities"] = Json::array();
  for (int i = 0; !CapabilityName(i).empty(); ++i) out["capabilities"].push_back(std::string(CapabilityName(i)));
  out["cgroup"] = CgroupFeatures();
  out["seccomp"] = SeccompFeatures();
  out["apparmor"] = Enabled(false);
  out["selinux"] = Enabled(false);
  out["intelRdt"] = Enabled(false);
  out["memoryPolicy"] = Json::object();
  out["mountExtensions"]["idmap"] = Enabled(false);
  out["netDevices"] = Enabled(false);
  return out;
}

absl::StatusOr<int> Run(const Invocation&) {
  Json out;
  out["ociVersionMin"] = "1.0.0";
  out["ociVersionMax"] = "1.3.0";
  out["hooks"] = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
  out["mountOptions"] = MountOptionNames();
  out["linux"] = LinuxFeatures();
  out["annotations"]["dev.runsc.version"] = kVersion;
  const absl::Status printed = Print(Cat(out.dump(4), "\n"));
  if (!printed.ok()) return printed;
  return 0;
}

}  // namespace

const Verb kFeaturesVerb = {"features", "", "print what this runtime can do, as JSON", {}, 0, 0, Run, false};

}  // namespace runsc
