// /proc/PID/uid_map, gid_map, projid_map and setgroups: user_namespaces(7).
#include <cstdio>
#include <sstream>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/run_state.h"

namespace runsc {
namespace {

constexpr size_t kMaxRanges = 340;

RefPtr<UserNamespace> NamespaceOf(Task& task) { return task.CredsSnapshot()->user_ns; }

// Ranges are shown against the namespace around the reader's, or the reader's own if it is another one.
std::string MapText(const RefPtr<UserNamespace>& ns, UserNamespace::Kind kind, Task& reader) {
  if (!ns) return Format("%10u %10u %10u\n", 0u, 0u, ~0u);
  const RefPtr<UserNamespace> own = NamespaceOf(reader);
  const UserNamespace* against = own == ns ? ns->parent().get() : own.get();
  std::string text;
  const IdMap* map = ns->map(kind);
  if (map == nullptr) return text;
  for (const IdRange& range : *map) {
    const uint32_t shown = FindGuestId(against, kind, range.outside).value_or(~0u);
    AppendFormat(&text, "%10u %10u %10u\n", range.inside, shown, range.count);
  }
  return text;
}

bool Overlaps(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count) {
  return uint64_t{a} < uint64_t{b} + b_count && uint64_t{b} < uint64_t{a} + a_count;
}

Result<void> CheckRange(const IdMap& map, const IdRange& range) {
  if (range.count == 0 || uint64_t{range.inside} + range.count > ~0u || uint64_t{range.outside} + range.count > ~0u) {
    return Errno(EINVAL);
  }
  for (const IdRange& other : map) {
    if (Overlaps(other.inside, range.inside, other.count, range.count)) return Errno(EINVAL);
    if (Overlaps(other.outside, range.outside, other.count, range.count)) return Errno(EINVAL);
  }
  return {};
}

// Lines of "inside outside count", as the namespace around counts the outside.
Result<IdMap> ParseMap(std::string_view text) {
  IdMap map;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    IdRange range;
    int end = 0;
    if (std::sscanf(line.c_str(), "%u %u %u %n", &range.inside, &range.outside, &range.count, &end) != 3)
      return Errno(EINVAL);
    if (static_cast<size_t>(end) != line.size() || map.size() == kMaxRanges) return Errno(EINVAL);
    TRY(CheckRange(map, range));
    map.push_back(range);
  }
  return map.empty() ? Result<IdMap>(Errno(EINVAL)) : Result<IdMap>(std::move(map));
}

// The maker may map himself, and himself only, and projects as he likes; anything else takes the right to change ids
// around.
Result<void> CheckMayMap(const UserNamespace& ns, UserNamespace::Kind kind, const IdMap& map,
                         const Credentials& writer) {
  const UserNamespace* around = ns.parent().get();
  if (writer.user_ns.get() != &ns && writer.user_ns.get() != around) return Errno(EPERM);
  if (kind == UserNamespace::kProjects) return {};
  if (!writer.HasIn(&ns, CAP_SYS_ADMIN)) return Errno(EPERM);
  if (map.size() == 1 && map[0].count == 1 && ns.owner() == writer.euid) {
    const auto outside = IdFromGuest(around, kind, map[0].outside);
    if (kind == UserNamespace::kUsers && outside == writer.euid) return {};
    if (kind == UserNamespace::kGroups && !ns.allows_setgroups() && outside == writer.egid) return {};
  }
  const int capability = kind == UserNamespace::kUsers ? CAP_SETUID : CAP_SETGID;
  return writer.HasIn(around, capability) ? Result<void>() : Errno(EPERM);
}

// Follows the namespaces outwards, so that the sentry has one step only.
Result<IdMap> Flatten(const UserNamespace& ns, UserNamespace::Kind kind, IdMap map) {
  for (IdRange& range : map) {
    const auto first = IdFromGuest(ns.parent().get(), kind, range.outside);
    const auto last = IdFromGuest(ns.parent().get(), kind, range.outside + range.count - 1);
    if (!first || !last || *last - *first != range.count - 1) return Errno(EPERM);
    range.outside = *first;
  }
  return map;
}

// What the engine answers to getuid changed for everybody in there.
void RefreshMembers(Kernel& kernel, const RefPtr<UserNamespace>& ns) {
  MutexLock l(kernel.task_set_mu());
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    for (Task* task : group->tasks) {
      if (NamespaceOf(*task) == ns) task->NoticeWorkLocked(Task::RunState::kRefresh, false);
    }
  }
}

Result<void> StoreMap(const ProcTarget& target, Task& writer, std::string_view text, UserNamespace::Kind kind) {
  const RefPtr<UserNamespace> ns = NamespaceOf(*TRY(target.task()));
  if (!ns || ns->map(kind) != nullptr) return Errno(EPERM);
  IdMap map = TRY(ParseMap(text));
  TRY(CheckMayMap(*ns, kind, map, *writer.creds()));
  TRY(ns->SetMap(kind, TRY(Flatten(*ns, kind, std::move(map)))));
  RefreshMembers(target.kernel(), ns);
  return {};
}

}  // namespace

Result<std::string> ProcUidMap(const ProcTarget& target, Task& reader) {
  return MapText(NamespaceOf(*TRY(target.task())), UserNamespace::kUsers, reader);
}

Result<std::string> ProcGidMap(const ProcTarget& target, Task& reader) {
  return MapText(NamespaceOf(*TRY(target.task())), UserNamespace::kGroups, reader);
}

Result<std::string> ProcProjidMap(const ProcTarget& target, Task& reader) {
  return MapText(NamespaceOf(*TRY(target.task())), UserNamespace::kProjects, reader);
}

Result<void> StoreProcProjidMap(const ProcTarget& target, Task& writer, std::string_view text) {
  return StoreMap(target, writer, text, UserNamespace::kProjects);
}

Result<void> StoreProcUidMap(const ProcTarget& target, Task& writer, std::string_view text) {
  return StoreMap(target, writer, text, UserNamespace::kUsers);
}

Result<void> StoreProcGidMap(const ProcTarget& target, Task& writer, std::string_view text) {
  return StoreMap(target, writer, text, UserNamespace::kGroups);
}

Result<std::string> ProcSetgroups(const ProcTarget& target, Task&) {
  const RefPtr<UserNamespace> ns = NamespaceOf(*TRY(target.task()));
  return std::string(!ns || ns->allows_setgroups() ? "allow\n" : "deny\n");
}

Result<void> StoreProcSetgroups(const ProcTarget& target, Task& writer, std::string_view text) {
  const RefPtr<UserNamespace> ns = NamespaceOf(*TRY(target.task()));
  const std::string word(text.substr(0, text.find_last_not_of(" \t\n") + 1));
  if (word != "allow" && word != "deny") return Errno(EINVAL);
  if (!writer.creds()->HasIn(ns.get(), CAP_SYS_ADMIN)) return Errno(EPERM);
  const bool allowed = !ns || ns->allows_setgroups();
  if (word == "allow") return allowed ? Result<void>() : Errno(EPERM);
  return ns ? ns->DenySetgroups() : Errno(EPERM);
}

}  // namespace runsc
