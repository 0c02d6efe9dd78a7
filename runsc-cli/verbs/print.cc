// Standard output, and the texts of the help.
#include <errno.h>
#include <unistd.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {

absl::Status Print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return HostError(errno, "write standard output");
    text.remove_prefix(n);
  }
  return absl::OkStatus();
}

std::string FlagHelp(std::span<const FlagDef> flags) {
  std::string out;
  for (const FlagDef& flag : flags) {
    if (flag.help.starts_with("internal:")) continue;
    out += Cat("  --", flag.name, flag.alias.empty() ? "" : ", -", flag.alias);
    if (flag.kind != FlagKind::kBool) out += flag.choices.empty() ? " VALUE" : Cat(" ", flag.choices);
    out += Cat("\n        ", flag.help);
    if (!flag.default_value.empty()) out += Cat(" (default ", flag.default_value, ")");
    out += flag.has_effect ? "\n" : " [no effect yet]\n";
  }
  return out;
}

std::string VerbHelp(const Verb& verb) {
  std::string out = Cat("runsc [global flags] ", verb.name, verb.flags.empty() ? "" : " [flags]",
                        verb.synopsis.empty() ? "" : " ", verb.synopsis, "\n  ", verb.summary, "\n");
  if (!verb.flags.empty()) out += Cat("\nFlags:\n", FlagHelp(verb.flags));
  return out;
}

}  // namespace runsc
