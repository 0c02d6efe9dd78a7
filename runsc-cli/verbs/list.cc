// runsc list: the containers of one state root.
#include <algorithm>
#include <array>
#include <vector>

#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"quiet", FlagKind::kBool, "false", "", "print ids only", "q"},
    {"format", FlagKind::kEnum, "table", "table|text|json", "output format", "f"},
    {"sandbox", FlagKind::kBool, "false", "", "only those with a sandbox of their own: no further containers of pods"},
};

struct Entry {
  ContainerState state;
  ContainerStatus status;
};

using Row = std::array<std::string, 6>;

// Columns as runc prints them: at least 12 wide, three blanks between.
std::string Table(const std::vector<Row>& rows) {
  std::array<size_t, 6> width;
  width.fill(12);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size() + 3);
  }
  std::string out;
  for (const Row& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) out += row[i] + std::string(width[i] - row[i].size(), ' ');
    out += row.back() + "\n";
  }
  return out;
}

std::string TableOf(const std::vector<Entry>& entries) {
  std::vector<Row> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const Entry& e : entries) {
    const int pid = e.status == ContainerStatus::kStopped ? 0 : e.state.monitor.pid;
    rows.push_back({e.state.id, Cat(pid), std::string(StatusName(e.status)), e.state.bundle, e.state.created,
                    OwnerName(e.state.owner_uid)});
  }
  return Table(rows);
}

std::string JsonOf(const std::vector<Entry>& entries) {
  std::vector<std::string> items;
  for (const Entry& e : entries) items.push_back(ListEntryJson(e.state, e.status));
  return items.empty() ? "null\n" : Cat("[", Join(items, ","), "]\n");  // runc prints null too
}

// Containers that come and go while we look are left out; damaged ones are mentioned.
std::vector<Entry> ReadAll(StateStore& store, bool sandboxes) {
  std::vector<Entry> entries;
  for (const std::string& id : store.Ids()) {
    const absl::StatusOr<ContainerState> state = store.Read(id);
    if (state.ok() && sandboxes && state->sandbox_id != id) continue;
    if (state.ok()) {
      entries.push_back({*state, QueryStatus(store, *state)});
    } else if (!absl::IsNotFound(state.status())) {
      Log::ReportWarning(MessageOf(state.status()));
    }
  }
  return entries;
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  const std::vector<Entry> entries = ReadAll(store, invocation.flags.GetBool("sandbox"));
  std::string out;
  if (invocation.flags.GetBool("quiet")) {
    for (const Entry& entry : entries) out += entry.state.id + "\n";
  } else {
    out = invocation.flags.GetString("format") == "json" ? JsonOf(entries) : TableOf(entries);
  }
  RETURN_IF_ERROR(Print(out));
  return 0;
}

}  // namespace

const Verb kListVerb = {"list", "", "list containers", kFlags, 0, 0, Run, false};

}  // namespace runsc
