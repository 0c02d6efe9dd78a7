// runsc help and flags: what can be typed.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/verbs/syscall_help.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

std::string Overview() {
  std::string out =
      "runsc runs OCI containers on a kernel of its own in user space.\n\n"
      "Usage: runsc [global flags] <command> [flags] <arguments>\n\nCommands:\n";
  for (const Verb* verb : AllVerbs()) {
    if (verb->internal) continue;
    out += Cat("  ", verb->name, std::string(12 - verb->name.size(), ' '), verb->summary, "\n");
  }
  return out +
         "\n\"runsc help <command>\" describes a command, \"runsc flags\" the global flags,\n"
         "\"runsc help syscalls [--format=table|csv|json]\" the system calls a container can use.\n";
}

constexpr FlagDef kSyscallFlags[] = {
    {"format", FlagKind::kEnum, "table", "table|csv|json", "output format"},
    {"os", FlagKind::kEnum, "linux", "linux", "operating system"},
    {"arch", FlagKind::kEnum, "amd64", "amd64", "architecture"},
    {"filename", FlagKind::kString, "", "", "file to write instead of standard output"},
};

absl::StatusOr<int> HelpSyscalls(std::span<const std::string_view> args) {
  FlagSet flags(kSyscallFlags);
  ASSIGN_OR_RETURN(const size_t used, flags.Parse(args));
  if (used != args.size()) return InvalidArgument("help syscalls: unexpected argument \"", args[used], "\"");
  RETURN_IF_ERROR(WriteSyscallTable(flags.GetString("format"), flags.GetString("filename")));
  return 0;
}

absl::StatusOr<int> Help(const Invocation& invocation) {
  std::string text = Overview();
  if (!invocation.args.empty()) {
    const std::string_view topic = invocation.args[0];
    if (topic == "syscalls") return HelpSyscalls(invocation.args.subspan(1));
    const Verb* verb = FindVerb(topic);
    if (verb == nullptr) return InvalidArgument("no help for \"", topic, "\"; see \"runsc help\"");
    text = VerbHelp(*verb);
  }
  RETURN_IF_ERROR(Print(text));
  return 0;
}

absl::StatusOr<int> Flags(const Invocation&) {
  RETURN_IF_ERROR(Print(FlagHelp(GlobalFlags())));
  return 0;
}

}  // namespace

const Verb kHelpVerb = {"help", "[command | syscalls]", "describe a command", {}, 0, kAnyNumber, Help, false};
const Verb kFlagsVerb = {"flags", "", "describe the global flags", {}, 0, 0, Flags, false};

}  // namespace runsc
