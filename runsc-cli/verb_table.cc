// The list of verbs. Part of the executable, not of a library: it names the sentry and the gofer.
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr const Verb* kVerbs[] = {
    &kCreateVerb,    &kStartVerb,      &kRunVerb,  &kDoVerb,    &kExecVerb,     &kKillVerb,   &kDeleteVerb,
    &kStateVerb,     &kListVerb,       &kPsVerb,   &kPauseVerb, &kResumeVerb,   &kUpdateVerb, &kEventsVerb,
    &kUsageVerb,     &kDebugVerb,      &kWaitVerb, &kSpecVerb,  &kFeaturesVerb, &kDoctorVerb, &kInstallVerb,
    &kUninstallVerb, &kCompletionVerb, &kHelpVerb, &kFlagsVerb, &kBootVerb,     &kGoferVerb,  &kNetBrokerVerb,
};

}  // namespace

std::span<const Verb* const> AllVerbs() { return kVerbs; }

const Verb* FindVerb(std::string_view name) {
  for (const Verb* verb : kVerbs) {
    if (verb->name == name) return verb;
  }
  return nullptr;
}

}  // namespace runsc
