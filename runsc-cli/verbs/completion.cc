// runsc completion: scripts that complete the command line, and the manual page, written from the tables of verbs and
// flags so that they cannot be out of date.
#include <algorithm>
#include <string>

#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/verbs/verb.h"
#include "runsc-cli/version.h"

namespace runsc {
namespace {

std::vector<const Verb*> PublicVerbs() {
  std::vector<const Verb*> verbs;
  for (const Verb* verb : AllVerbs()) {
    if (!verb->internal) verbs.push_back(verb);
  }
  return verbs;
}

// Those that do something.
std::vector<const FlagDef*> UsefulFlags(std::span<const FlagDef> flags) {
  std::vector<const FlagDef*> out;
  for (const FlagDef& flag : flags) {
    if (flag.has_effect && !flag.help.starts_with("internal")) out.push_back(&flag);
  }
  return out;
}

std::string FlagWords(std::span<const FlagDef> flags) {
  std::string words;
  for (const FlagDef* flag : UsefulFlags(flags)) words += Cat(words.empty() ? "" : " ", "--", flag->name);
  return words;
}

std::string VerbWords() {
  std::string words;
  for (const Verb* verb : PublicVerbs()) words += Cat(words.empty() ? "" : " ", verb->name);
  return words;
}

// A text between single quotes.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string Bash() {
  std::string cases;
  for (const Verb* verb : PublicVerbs()) {
    cases +=
        Cat("    ", verb->name, ") words=", Quoted(FlagWords(verb->flags)), verb->has_id ? "; ids=1" : "", " ;;\n");
  }
  return Cat(R"(# bash completion of runsc, written by `runsc completion bash`
_runsc() {
  local current=${COMP_WORDS[COMP_CWORD]} verb= words= ids= i
  local root=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --root) root=(--root "${COMP_WORDS[++i]}") ;;
      --root=*) root=("${COMP_WORDS[i]}") ;;
      -*) ;;
      *) verb=${COMP_WORDS[i]}; break ;;
    esac
  done
  case $verb in
    '') words=)",
             Quoted(Cat(VerbWords(), " ", FlagWords(GlobalFlags()))), " ;;\n", cases, R"(  esac
  if [[ $ids && $current != -* ]]; then
    words=$(runsc "${root[@]}" list -q 2>/dev/null)
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $COMPREPLY || $current == -* ]] || compopt -o default
}
complete -F _runsc runsc
)");
}

// Brackets and colons mean something in descriptions of _arguments.
std::string ZshText(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string ZshFlags(std::span<const FlagDef> flags) {
  std::string out;
  for (const FlagDef* flag : UsefulFlags(flags)) {
    const bool takes_value = flag->kind != FlagKind::kBool;
    out += Cat(" \\\n        ", Quoted(Cat("--", flag->name, takes_value ? "=" : "", "[", ZshText(flag->help), "]",
                                           takes_value ? ":value:_files" : "")));
  }
  return out;
}

std::string Zsh() {
  std::string verbs, cases;
  for (const Verb* verb : PublicVerbs()) {
    verbs += Cat("    ", Quoted(Cat(verb->name, ":", ZshText(verb->summary))), "\n");
    cases += Cat("    ", verb->name, ") _arguments", ZshFlags(verb->flags), " \\\n        ",
                 verb->has_id ? "'*:container:($(runsc list -q 2>/dev/null))'" : "'*:argument:_files'", " ;;\n");
  }
  return Cat(
      "#compdef runsc\n# zsh completion of runsc, written by `runsc completion zsh`\n_runsc() {\n  local -a verbs=(\n",
      verbs, "  )\n  _arguments -C", ZshFlags(GlobalFlags()), " \\\n        '1:command:->verb' '*::argument:->rest'\n",
      "  case $state in\n    verb) _describe command verbs ;;\n    rest) case $words[1] in\n", cases,
      "    esac ;;\n  esac\n}\n_runsc \"$@\"\n");
}

std::string FishFlags(std::string_view condition, std::span<const FlagDef> flags) {
  std::string out;
  for (const FlagDef* flag : UsefulFlags(flags)) {
    out += Cat("complete -c runsc -n ", Quoted(condition), " -l ", flag->name,
               flag->kind == FlagKind::kBool ? "" : " -r", " -d ", Quoted(flag->help), "\n");
  }
  return out;
}

std::string Fish() {
  std::string out = "# fish completion of runsc, written by `runsc completion fish`\n";
  for (const Verb* verb : PublicVerbs()) {
    out += Cat("complete -c runsc -n __fish_use_subcommand -f -a ", verb->name, " -d ", Quoted(verb->summary), "\n");
    const std::string within = Cat("__fish_seen_subcommand_from ", verb->name);
    out += FishFlags(within, verb->flags);
    if (verb->has_id) out += Cat("complete -c runsc -n ", Quoted(within), " -f -a '(runsc list -q 2>/dev/null)'\n");
  }
  return out + FishFlags("__fish_use_subcommand", GlobalFlags());
}

// Backslashes, and periods that would begin a request.
std::string RoffText(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string RoffFlags(std::span<const FlagDef> flags) {
  std::string out;
  for (const FlagDef* flag : UsefulFlags(flags)) {
    out += Cat(".TP\n.B \\-\\-", RoffText(flag->name), "\n", RoffText(flag->help));
    if (!flag->default_value.empty() && flag->kind != FlagKind::kBool)
      out += Cat(" (", RoffText(flag->default_value), ")");
    out += "\n";
  }
  return out;
}

std::string Manual() {
  std::string out = Cat(".TH RUNSC 8 \"\" \"runsc ", kVersion, R"("
.SH NAME
runsc \- run containers on a kernel of their own
.SH SYNOPSIS
.B runsc
.RI [ "global options" ] " command " [ options ] " arguments"
.SH DESCRIPTION
.B runsc
runs the containers of OCI bundles. The system calls of a container are served by a kernel that runs in user space; they
never reach the kernel of the host. It takes the place of
.BR runc (8)
under containerd, Docker, Podman and Kubernetes.
.SH COMMANDS
)");
  for (const Verb* verb : PublicVerbs()) {
    out += Cat(".SS runsc ", verb->name, " ", RoffText(verb->synopsis), "\n", RoffText(verb->summary), ".\n",
               RoffFlags(verb->flags));
  }
  out += ".SH GLOBAL OPTIONS\n" + RoffFlags(GlobalFlags());
  return out + R"(.SH EXIT STATUS
.B run
and
.B do
exit with the status of the container's process, or 128 and the number of the signal that ended it. Failures of
.B runsc
itself exit with 128.
.SH SEE ALSO
.BR runc (8),
.BR docker (1),
.BR containerd (8)
)";
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  const std::string_view what = invocation.args[0];
  std::string text;
  if (what == "bash") text = Bash();
  if (what == "zsh") text = Zsh();
  if (what == "fish") text = Fish();
  if (what == "man") text = Manual();
  if (text.empty()) return InvalidArgument("\"", what, "\" is not bash, zsh, fish or man");
  const absl::Status printed = Print(text);
  if (!printed.ok()) return printed;
  return 0;
}

}  // namespace

const Verb kCompletionVerb = {
    "completion", "bash|zsh|fish|man", "print a completion script, or the manual page", {}, 1, 1, Run, false};

}  // namespace runsc
