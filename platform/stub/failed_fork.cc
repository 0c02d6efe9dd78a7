// What follows a fork that brought no child. Whether it failed is said in memory that the guest can write, so the host
// is asked: a child that nobody knows would go on listening to command pages that another stub gets.
#include <signal.h>
#include <sys/wait.h>

#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "platform/stub/engine.h"
#include "platform/stub/map_ops.h"

namespace runsc::stub {
namespace {

void GiveName(StubProcess& stub, const std::string& name) {
  stub::InfoPage& info = stub.helper().info();
  snprintf(info.name, sizeof info.name, "%s", name.c_str());
  const HelperOp op = NameOp();
  (void)stub.helper().Run(std::span(&op, 1), nullptr);
}

}  // namespace

// Only the helper can change the stub's name on the host, and it does one thing after the other.
bool Engine::HelperIsThrough(StubProcess& stub) {
  const Result<std::string> before = ReadProc(stub.pid(), "comm");
  if (!before.ok() || stub.helper().IsGone()) return false;
  std::string mark;
  do {
    mark = absl::StrCat("mark ", ++marks_ % 1000);
  } while (absl::StrCat(mark, "\n") == *before);
  GiveName(stub, mark);
  const Result<std::string> after = ReadProc(stub.pid(), "comm");
  GiveName(stub, std::string(absl::StripSuffix(*before, "\n")));
  return after.ok() && *after == absl::StrCat(mark, "\n");
}

// False if the host does not tell who they are.
bool Engine::EndLostChildren() {
  constexpr int kRounds = 2;  // the host's list may leave one out while another is being reaped
  for (int round = 0; round < kRounds; ++round) {
    const Result<std::string> list = ReadProc(maker_.pid, absl::StrCat("task/", maker_.tid, "/children"));
    if (!list.ok()) return false;
    for (const absl::string_view word : absl::StrSplit(*list, ' ', absl::SkipWhitespace())) {
      pid_t pid = 0;
      siginfo_t unused;
      // In this order: who was reaped since is neither known nor a child.
      if (!absl::SimpleAtoi(word, &pid) || resources_.pids.Contains(pid) || !IsChild(pid)) continue;
      kill(pid, SIGKILL);
      waitid(P_PID, static_cast<id_t>(pid), &unused, WEXITED | __WALL);
    }
  }
  return true;
}

void Engine::SettleFailedFork(StubProcess& parent, std::shared_ptr<StubProcess> child) {
  bool settled = false;
  if (options_.proc_fd >= 0) {
    const bool through = HelperIsThrough(parent);
    if (!through) parent.Kill();
    settled = (through || parent.helper().AwaitEnd()) && EndLostChildren();
  }
  if (!settled) unsettled_.push_back(std::move(child));  // its pages are nobody's any more
}

}  // namespace runsc::stub
