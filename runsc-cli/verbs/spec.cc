// runsc spec: a config.json to start from.
#include <fcntl.h>
#include <unistd.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/template.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"bundle", FlagKind::kString, ".", "", "directory to write config.json to", "b"},
    {"cwd", FlagKind::kString, "/", "", "working directory in the container"},
    {"netns", FlagKind::kString, "", "", "network namespace to join"},
    {"rootless", FlagKind::kBool, "false", "", "runc's", "", false},
};

absl::StatusOr<int> Run(const Invocation& invocation) {
  const std::string path = JoinPath(invocation.flags.GetString("bundle"), "config.json");
  if (faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    return absl::AlreadyExistsError(Cat(path, " exists; remove it first"));
  }
  Spec spec = TemplateSpec();
  if (!invocation.args.empty()) spec.process->args.assign(invocation.args.begin(), invocation.args.end());
  spec.process->cwd = invocation.flags.GetString("cwd");
  for (SpecNamespace& ns : spec.linux_.namespaces) {
    if (ns.type == "network") ns.path = invocation.flags.GetString("netns");
  }
  RETURN_IF_ERROR(WriteFileAtomicAt(AT_FDCWD, path, SpecToJson(spec), 0666 & ~022));
  return 0;
}

}  // namespace

const Verb kSpecVerb = {"spec", "[-- command...]", "write a config.json to start from", kFlags, 0, kAnyNumber, Run,
                        false};

}  // namespace runsc
