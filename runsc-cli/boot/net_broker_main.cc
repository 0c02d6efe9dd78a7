// Internal verb net-broker: the process that opens sockets in the container's network namespace.
#include "platform/host/status_util.h"
#include "platform/netbroker/server/server.h"
#include "runsc-cli/base/crash_report_unsafe.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"channel", FlagKind::kInt, "-1", "", "socket to serve on"},
    {"netns", FlagKind::kInt, "-1", "", "network namespace to enter"},
};

absl::StatusOr<int> Run(const Invocation& invocation) {
  ReportCrashes("runsc-net-broker");
  UniqueFd channel(static_cast<int>(invocation.flags.GetInt("channel")));
  {
    const UniqueFd netns(static_cast<int>(invocation.flags.GetInt("netns")));
    const absl::Status entered = EnterBrokerJail(netns.get());
    if (!entered.ok()) LogInfo("net-broker: ", MessageOf(entered));
    RETURN_IF_ERROR(entered);
  }
  RETURN_IF_ERROR(LockDownBroker());
  RunNetBroker(std::move(channel));
  _exit(0);
}

}  // namespace

const Verb kNetBrokerVerb = {"net-broker", "", "open sockets in a network namespace", kFlags, 0, 0, Run, false, true};

}  // namespace runsc
