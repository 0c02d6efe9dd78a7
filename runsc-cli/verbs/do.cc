// runsc do: one command in a sandbox over the host's own files; what it writes is thrown away.
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/template.h"
#include "runsc-cli/verbs/create_flags.h"
#include "runsc-cli/verbs/run_foreground.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"root", FlagKind::kString, "/", "", "host directory that becomes the root file system"},
    {"cwd", FlagKind::kString, ".", "", "working directory"},
    {"quiet", FlagKind::kBool, "false", "", "no messages of runsc's own; there are none", "", false},
    {"force-overlay", FlagKind::kBool, "true", "",
     "keep what is written to the root in memory, whatever --overlay2 says"},
    {"volume", FlagKind::kList, "", "",
     "SOURCE[:DESTINATION[:ro|rw]]: host directory whose writes are real, unless --overlay2=all:MEDIUM", "v"},
    {"uid-map", FlagKind::kString, "", "", "ids of a user namespace"},
    {"gid-map", FlagKind::kString, "", "", "ids of a user namespace"},
    {"ip", FlagKind::kString, "", "", "address of the container", "", false},
    {"env", FlagKind::kList, "", "", "NAME[=value]: added to the environment; without value, the caller's", "e"},
    {"erofs", FlagKind::kString, "", "", "image that becomes the root file system"},
};

absl::Status RefuseUnsupported(const FlagSet& flags) {
  for (const char* name : {"uid-map", "gid-map", "erofs"}) {
    if (flags.IsSet(name)) return absl::UnimplementedError(Cat("--", name, " is not supported yet"));
  }
  return absl::OkStatus();
}

// Set for every command. What the caller exported is not the container's business, unless --env says so.
std::vector<std::string> DefaultEnvironment() {
  const char* term = getenv("TERM");
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root",
          Cat("TERM=", term == nullptr || *term == '\0' ? "dumb" : term)};
}

// NAME=value as it is; NAME alone stands for the caller's variable, or for nothing when there is none.
absl::StatusOr<std::vector<std::string>> Environment(const std::vector<std::string>& asked) {
  std::vector<std::string> environment = DefaultEnvironment();
  for (const std::string& text : asked) {
    if (text.empty() || text[0] == '=') return InvalidArgument("--env: \"", text, "\" is not NAME[=value]");
    if (text.find('=') != text.npos) {
      environment.push_back(text);
    } else if (const char* value = getenv(text.c_str()); value != nullptr) {
      environment.push_back(Cat(text, "=", value));
    }
  }
  return environment;
}

// --overlay2 with its scope and size, but in memory; at least the root is layered.
std::string MemoryOverlay(const OverlayOption& asked) {
  const bool all = asked.scope == OverlayOption::Scope::kAll;
  return Cat("--overlay2=", all ? "all" : "root", ":memory,size=", asked.size_limit);
}

absl::StatusOr<SpecMount> ParseVolume(std::string_view text) {
  const auto parts = Split(text, ':');
  if (parts.size() > 3 || parts[0].empty()) {
    return InvalidArgument("--volume: \"", text, "\" is not SOURCE[:DESTINATION[:ro|rw]]");
  }
  const std::string_view mode = parts.size() > 2 ? parts[2] : "rw";
  if (mode != "ro" && mode != "rw") return InvalidArgument("--volume: mode must be ro or rw, is \"", mode, "\"");
  ASSIGN_OR_RETURN(std::string source, AbsolutePath(parts[0]));
  const std::string destination = parts.size() > 1 ? JoinPath("/", parts[1]) : source;
  return SpecMount{destination, "bind", source, {"rbind", std::string(mode)}};
}

absl::StatusOr<Spec> MakeSpec(const Invocation& invocation) {
  Spec spec;
  spec.oci_version = kOciVersion;
  spec.process.emplace();
  spec.process->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  spec.process->args.assign(invocation.args.begin(), invocation.args.end());
  ASSIGN_OR_RETURN(spec.process->env, Environment(invocation.flags.GetList("env")));
  spec.process->capabilities = AllCapabilities();
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  spec.process->rlimits = {{RLIMIT_NOFILE, files.rlim_cur, files.rlim_max}};
  ASSIGN_OR_RETURN(std::string root, AbsolutePath(invocation.flags.GetString("root")));
  const bool own_cwd = invocation.flags.IsSet("cwd") || root == "/";
  ASSIGN_OR_RETURN(spec.process->cwd, AbsolutePath(own_cwd ? invocation.flags.GetString("cwd") : "/"));
  spec.root = SpecRoot{root, false};
  spec.hostname = "runsc";
  spec.annotations[kDefaultSignals] = "true";  // ^C ends a command
  // A network of its own, unless it is to be the caller's.
  if (invocation.globals.GetString("network") != "host") spec.linux_.namespaces.push_back({"network", ""});
  spec.mounts = DefaultMounts();
  for (const std::string& volume : invocation.flags.GetList("volume")) {
    ASSIGN_OR_RETURN(SpecMount mount, ParseVolume(volume));
    spec.mounts.push_back(std::move(mount));
  }
  return spec;
}

absl::StatusOr<std::string> RandomId() {
  uint64_t random;
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) return HostError(errno, "getrandom");
  return Cat("runsc-do-", random);
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  RETURN_IF_ERROR(RefuseUnsupported(invocation.flags));
  if (invocation.args[0].empty()) return InvalidArgument("the command's name is empty");
  FlagSet globals = invocation.globals;
  if (invocation.flags.GetBool("force-overlay")) {
    ASSIGN_OR_RETURN(const OverlayOption asked, ParseOverlayOption(globals.GetString("overlay2")));
    const std::string memory = MemoryOverlay(asked);
    const std::string_view arguments[] = {memory};
    RETURN_IF_ERROR(globals.Parse(arguments).status());
  }
  RETURN_IF_ERROR(CheckSandboxFlags(globals));
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(globals)));
  ASSIGN_OR_RETURN(Spec spec, MakeSpec(invocation));
  ASSIGN_OR_RETURN(Bundle bundle, MakeBundle(spec.root->path, SpecToJson(spec)));
  if (bundle.spec.process->args != spec.process->args) {
    return InvalidArgument("arguments must be valid UTF-8");  // config.json cannot hold anything else
  }
  CreateOptions options;
  options.globals = &globals;
  options.bundle = &bundle;
  ASSIGN_OR_RETURN(options.id, RandomId());
  return RunForeground(store, std::move(options), /*keep=*/false);
}

}  // namespace

const Verb kDoVerb = {"do",
                      "<command> [arguments...]",
                      "run a command in a sandbox over the host's files, keeping no changes",
                      kFlags,
                      1,
                      kAnyNumber,
                      Run,
                      false};

}  // namespace runsc
