// runsc doctor: looks for what keeps sandboxes from starting, and says what to do about it.
#include "runsc-cli/base/text.h"
#include "runsc-cli/doctor/checks.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

std::string Describe(const Finding& finding) {
  const char* mark = finding.severity == Severity::kGood      ? "ok     "
                     : finding.severity == Severity::kWarning ? "warning"
                                                              : "problem";
  std::string line = Cat(mark, "  ", finding.subject, ": ", finding.observation, "\n");
  if (!finding.remedy.empty()) line += Cat("         -> ", finding.remedy, "\n");
  return line;
}

// 1 when something keeps sandboxes from starting.
absl::StatusOr<int> Run(const Invocation&) {
  bool broken = false;
  for (const Finding& finding : RunChecks(Host())) {
    broken |= finding.severity == Severity::kProblem;
    const absl::Status printed = Print(Describe(finding));
    if (!printed.ok()) return printed;
  }
  return broken ? 1 : 0;
}

}  // namespace

const Verb kDoctorVerb = {"doctor", "", "check this host and say what to fix", {}, 0, 0, Run, false};

}  // namespace runsc
