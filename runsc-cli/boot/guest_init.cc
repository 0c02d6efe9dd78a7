// From config.json's process to a guest process.
#include "runsc-cli/boot/guest_init.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>

#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr size_t kMaxPasswdBytes = 1 << 20;

std::string_view FindEnv(const std::vector<std::string>& env, std::string_view name) {
  for (std::string_view entry : env) {
    if (ConsumePrefix(entry, name) && ConsumePrefix(entry, "=")) return entry;
  }
  return {};
}

bool HasEnv(const std::vector<std::string>& env, std::string_view prefix) {
  for (const std::string& entry : env) {
    if (entry.starts_with(prefix)) return true;
  }
  return false;
}

// Each name once, with its last value: what an engine or `exec --env` adds replaces what was there.
std::vector<std::string> LastValues(const std::vector<std::string>& env) {
  std::vector<std::string> values;
  std::map<std::string_view, size_t> places;
  for (const std::string& entry : env) {
    const auto [place, first] = places.try_emplace(std::string_view(entry).substr(0, entry.find('=')), values.size());
    if (first) values.emplace_back();
    values[place->second] = entry;
  }
  return values;
}

// OK if `path` is a file this identity may execute.
Result<void> CheckExecutable(Task& task, const Resolver& resolver, const Path& cwd, const std::string& path) {
  const Path found = TRY(task.vfs().Lookup(resolver, cwd, path, 0));
  if (!found.dentry->IsRegular()) return Errno(EACCES);
  return task.vfs().CheckAccess(*resolver.creds, found, X_OK);
}

// As Go, and so runc, spells it: clients look for these words.
std::string ErrorText(Errno error) {
  std::string text = strerror(error.value());
  text[0] = static_cast<char>(tolower(text[0]));
  return text;
}

absl::Status ExecError(const std::string& program, std::string_view problem) {
  return absl::NotFoundError(Cat("exec: \"", program, "\": ", problem));
}

Result<std::string> ReadGuestFile(Task& task, const char* path) {
  const Path root = task.fs().root();
  RefPtr<File> file = TRY(task.vfs().Open(task.resolver(), root, path, {.flags = O_RDONLY}));
  std::string bytes(kMaxPasswdBytes, '\0');
  BufferSink sink(std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
  while (sink.remaining() > 0) {
    if (TRY(file->Read(task, sink, nullptr)) == 0) break;
  }
  bytes.resize(sink.used());
  return bytes;
}

}  // namespace

CredentialsRef InitCredentials(const SpecProcess& process, bool keep_net_raw) {
  auto creds = MakeRef<Credentials>();
  creds->ruid = creds->euid = creds->suid = creds->fsuid = process.user.uid;
  creds->rgid = creds->egid = creds->sgid = creds->fsgid = process.user.gid;
  creds->groups.assign(process.user.additional_gids.begin(), process.user.additional_gids.end());
  const CapabilitySet allowed = keep_net_raw ? ~CapabilitySet{0} : ~(CapabilitySet{1} << CAP_NET_RAW);
  creds->permitted = process.capabilities.permitted & allowed;
  creds->effective = process.capabilities.effective & creds->permitted;
  creds->inheritable = process.capabilities.inheritable & allowed;
  creds->bounding = process.capabilities.bounding & allowed;
  creds->ambient = process.capabilities.ambient & creds->permitted & creds->inheritable;
  creds->no_new_privs = process.no_new_privileges;
  return creds;
}

InitProcess MakeInitProcess(const SpecProcess& process, bool keep_net_raw) {
  InitProcess init;
  init.args = process.args;
  init.env = LastValues(process.env);
  init.cwd = process.cwd;
  init.creds = InitCredentials(process, keep_net_raw);
  init.umask = process.user.umask.value_or(022);
  for (const SpecRlimit& limit : process.rlimits) {
    init.rlimits.push_back({limit.resource, {limit.soft, limit.hard}});
  }
  init.oom_score_adj = process.oom_score_adj.value_or(0);
  return init;
}

std::vector<std::string> PathDirectories(const std::vector<std::string>& env) {
  constexpr std::string_view kDefault = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::vector<std::string> directories;
  const std::string_view path = HasEnv(env, "PATH=") ? FindEnv(env, "PATH") : kDefault;
  for (std::string_view directory : Split(path, ':')) {
    directories.emplace_back(directory.empty() ? "." : directory);
  }
  return directories;
}

absl::StatusOr<std::string> FindProgram(Task& task, const InitProcess& init) {
  const std::string& program = init.args[0];
  const Resolver resolver{task, task.fs().root(), init.creds};
  const Result<Path> cwd = task.vfs().Lookup(resolver, task.fs().root(), init.cwd, Vfs::kDirectory);
  if (!cwd.ok()) return ExecError(program, Cat("chdir to ", init.cwd, ": ", ErrorText(cwd.error())));
  if (program.find('/') != program.npos) {
    const Result<void> usable = CheckExecutable(task, resolver, *cwd, program);
    if (!usable.ok())
      return ExecError(program, usable.error() == Errno(EACCES)
                                    ? "permission denied"
                                    : Cat("stat ", program, ": ", ErrorText(usable.error())));
    return program;
  }
  bool denied = false;
  for (const std::string& directory : PathDirectories(init.env)) {
    std::string candidate = JoinPath(directory, program);
    const Result<void> usable = CheckExecutable(task, resolver, *cwd, candidate);
    if (usable.ok()) return candidate;
    denied |= usable.error() == Errno(EACCES);
  }
  return ExecError(program, denied ? "permission denied" : "executable file not found in $PATH");
}

absl::Status CheckArgumentSize(const InitProcess& init, uint64_t stack_limit) {
  constexpr size_t kMaxString = 128 << 10;
  const uint64_t limit = std::clamp<uint64_t>(stack_limit / 4, kMaxString, 6 << 20);
  uint64_t total = 0;
  size_t longest = 0;
  for (const std::vector<std::string>* list : {&init.args, &init.env}) {
    for (const std::string& text : *list) {
      total += text.size() + 1 + sizeof(GuestAddr);
      longest = std::max(longest, text.size() + 1);
    }
  }
  if (longest <= kMaxString && total <= limit) return absl::OkStatus();
  return ExecError(init.args[0].substr(0, NAME_MAX), "argument list too long");
}

std::string HomeOf(std::string_view passwd, uint32_t uid) {
  for (std::string_view line : Split(passwd, '\n')) {
    const auto fields = Split(line, ':');
    if (fields.size() < 6 || ParseNumber<uint32_t>(fields[2]) != uid) continue;
    return fields[5].empty() ? "/" : std::string(fields[5]);
  }
  return "/";
}

void AddHome(Task& task, InitProcess& init) {
  if (HasEnv(init.env, "HOME=")) return;
  const Result<std::string> passwd = ReadGuestFile(task, "/etc/passwd");
  std::string home = passwd.ok() ? HomeOf(*passwd, init.creds->ruid) : "/";
  if (home == "/" && init.creds->ruid == 0) home = "/root";
  init.env.push_back(Cat("HOME=", home));
}

}  // namespace runsc
