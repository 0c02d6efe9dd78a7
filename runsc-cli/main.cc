// Entry point of runsc: global flags, the verb, its flags, and how failures are reported.
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "platform/host/forked_program_unsafe.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/suggest.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/template.h"
#include "runsc-cli/verbs/verb.h"
#include "runsc-cli/version.h"

namespace runsc {
namespace {

int UsageError(std::string_view message, std::string_view advice) {
  Log::ReportError(Cat(message, "; see \"runsc ", advice, "\""));
  return kFailureStatus;
}

// In runc's shape, which container managers parse.
int PrintVersion() {
  const absl::Status status = Print(Cat("runsc version ", kVersion, "\nspec: ", kOciVersion, "\n"));
  return status.ok() ? 0 : kFailureStatus;
}

void LogInertFlags(const FlagSet& flags) {
  for (const FlagDef& def : flags.defs()) {
    if (!def.has_effect && flags.IsSet(def.name)) LogInfo("flag --", def.name, " has no effect yet");
  }
}

std::string CountError(const Verb& verb, size_t given) {
  return Cat(verb.name, ": ", given < verb.min_args ? "missing argument" : "too many arguments", ": expected ",
             verb.synopsis.empty() ? "none" : verb.synopsis, ", got ", given);
}

int RunVerb(const Verb& verb, const FlagSet& globals, std::span<const std::string_view> args) {
  FlagSet flags(verb.flags);
  const absl::StatusOr<size_t> used = flags.Parse(args);
  const std::string advice = Cat("help ", verb.name);
  if (!used.ok()) return UsageError(Cat(verb.name, ": ", MessageOf(used.status())), advice);
  if (flags.help_requested()) return Print(VerbHelp(verb)).ok() ? 0 : kFailureStatus;
  args = args.subspan(*used);
  if (args.size() < verb.min_args || args.size() > verb.max_args) {
    return UsageError(CountError(verb, args.size()), advice);
  }
  const std::string_view id = verb.has_id && !args.empty() ? args[0] : std::string_view();
  if (absl::Status s = Log::OpenDebugLogs(globals, verb.name, id); !s.ok()) {
    Log::ReportError(MessageOf(s));
    return kFailureStatus;
  }
  LogInertFlags(globals);
  LogInertFlags(flags);
  const absl::StatusOr<int> result = verb.run({globals, flags, args});
  if (result.ok()) return *result;
  Log::ReportError(Cat(verb.name, ": ", MessageOf(result.status())));
  return kFailureStatus;
}

// A closed 0, 1 or 2 would be the number of the next file opened, which the container would then get.
void FillStdio() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", O_RDWR);
  }
}

// An arena costs a new thread four calls and some page faults: one for each CPU is enough. A heap that
// shrinks as soon as it can grows again with the next fork. What every start uses of the first heap comes
// with one call instead of a fault for each page.
void PrepareHeap() {
  constexpr int kKeep = 1 << 20;
  mallopt(M_TRIM_THRESHOLD, kKeep);
  mallopt(M_MMAP_THRESHOLD, kKeep);
  constexpr size_t kFirstHeap = 132 << 10, kUsed = 80 << 10, kPage = 4096;
  cpu_set_t cpus;
  const int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  mallopt(M_ARENA_MAX, count);
  const uintptr_t end = reinterpret_cast<uintptr_t>(sbrk(0));
  const uintptr_t begin = (end - kFirstHeap) & ~(kPage - 1);
  madvise(reinterpret_cast<void*>(begin), kUsed, MADV_POPULATE_WRITE);
}

int UnknownVerb(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Verb* verb : AllVerbs()) {
    if (!verb->internal) names.push_back(verb->name);
  }
  return UsageError(Cat("unknown command \"", word, "\"", Suggestion(word, names)), "help");
}

int Main(std::span<const std::string_view> args) {
  FlagSet globals(GlobalFlags());
  const absl::StatusOr<size_t> used = globals.Parse(args);
  if (!used.ok()) return UsageError(MessageOf(used.status()), "flags");
  if (absl::Status s = TakeFlagsOfEnvironment(globals); !s.ok()) return UsageError(MessageOf(s), "flags");
  if (absl::Status s = Log::OpenErrorLog(globals); !s.ok()) {
    Log::ReportError(MessageOf(s));
    return kFailureStatus;
  }
  if (globals.help_requested()) return RunVerb(kHelpVerb, globals, {});
  if (globals.GetBool("version")) return PrintVersion();
  if (absl::Status s = CheckGlobalFlags(globals); !s.ok()) return UsageError(MessageOf(s), "flags");
  args = args.subspan(*used);
  if (args.empty()) return UsageError("no command given", "help");
  const Verb* verb = FindVerb(args[0]);
  if (verb == nullptr) return UnknownVerb(args[0]);
  return RunVerb(*verb, globals, args.subspan(1));
}

// In a fork of the command: stdio and heap are as they should be.
int RunForked(std::span<const std::string_view> args) {
  Log::ForgetDescriptors();
  return Main(args);
}

int RunCommandLine(std::span<const std::string_view> args) {
  FillStdio();
  PrepareHeap();
  return Main(args);
}

}  // namespace
}  // namespace runsc

int main(int argc, char** argv) {
  runsc::AllowForkedHelpers(argc, argv, runsc::RunForked);
  const std::vector<std::string_view> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  return runsc::RunCommandLine(args);
}
