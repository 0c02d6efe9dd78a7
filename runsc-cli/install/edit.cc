#include "runsc-cli/install/edit.h"

#include <optional>

#include "nlohmann/json.hpp"
#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

using Json = nlohmann::ordered_json;  // keeps the order of the file

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

absl::Status ParseObject(std::string_view text, Json& document) {
  document = Json::object();
  if (IsBlank(text)) return absl::OkStatus();
  document = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) return absl::OkStatus();
  return InvalidArgument(document.is_discarded() ? "not valid JSON" : "not a JSON object", "; it is left as it is");
}

std::string DumpFile(const Json& document) {
  return document.dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json EntryJson(const RuntimeEntry& entry) {
  Json out;
  out["path"] = entry.path;
  if (!entry.arguments.empty()) out["runtimeArgs"] = entry.arguments;
  return out;
}

std::string BeginMark(std::string_view name) { return Cat("# runsc install: begin ", name, "\n"); }
std::string EndMark(std::string_view name) { return Cat("# runsc install: end ", name, "\n"); }

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// The two versions of the file name the CRI plugin differently.
std::string_view CriPlugin(std::string_view toml) {
  for (std::string_view line : Split(toml, '\n')) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == line.npos || !line.substr(begin).starts_with("version")) continue;
    if (line.find('3') != line.npos) return "io.containerd.cri.v1.runtime";
  }
  return "io.containerd.grpc.v1.cri";
}

std::string Table(std::string_view toml, std::string_view name) {
  return Cat("plugins.\"", CriPlugin(toml), "\".containerd.runtimes.", name);
}

// Our lines in the file: [begin, end).
struct Span {
  size_t begin, end;
};
std::optional<Span> FindOurs(std::string_view toml, std::string_view name) {
  const size_t begin = toml.find(BeginMark(name));
  if (begin == toml.npos) return std::nullopt;
  const size_t end = toml.find(EndMark(name), begin);
  if (end == toml.npos) return std::nullopt;
  return Span{begin, end + EndMark(name).size()};
}

bool DefinesHandler(std::string_view toml, std::string_view name) {
  for (std::string_view line : Split(toml, '\n')) {
    if (line.find('[') == line.npos || line.find("runtimes") == line.npos) continue;
    if (line.find(Cat(".runtimes.", name, "]")) != line.npos ||
        line.find(Cat(".runtimes.\"", name, "\"]")) != line.npos)
      return true;
  }
  return false;
}

bool NamesItsVersion(std::string_view toml) {
  for (std::string_view line : Split(toml, '\n')) {
    if (line.starts_with("[")) return false;  // top-level keys come first
    if (line.starts_with("version")) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> AddDockerRuntime(std::string_view text, const RuntimeEntry& entry, bool replace) {
  Json document;
  RETURN_IF_ERROR(ParseObject(text, document));
  Json& runtimes = document["runtimes"];
  if (!runtimes.is_null() && !runtimes.is_object())
    return InvalidArgument("\"runtimes\" is not an object; it is left as it is");
  const Json wanted = EntryJson(entry);
  if (runtimes.contains(entry.name) && runtimes[entry.name] != wanted && !replace) {
    return absl::AlreadyExistsError(Cat("there is another runtime \"", entry.name, "\" (--clobber replaces it)"));
  }
  runtimes[entry.name] = wanted;
  return DumpFile(document);
}

absl::StatusOr<std::string> RemoveDockerRuntime(std::string_view text, std::string_view name) {
  Json document;
  RETURN_IF_ERROR(ParseObject(text, document));
  const auto runtimes = document.find("runtimes");
  if (runtimes == document.end() || !runtimes->is_object() || runtimes->erase(std::string(name)) == 0)
    return std::string(text);
  if (runtimes->empty()) document.erase("runtimes");
  return DumpFile(document);
}

absl::StatusOr<std::string> AddContainerdRuntime(std::string_view toml, const RuntimeEntry& entry) {
  ASSIGN_OR_RETURN(std::string out, RemoveContainerdRuntime(toml, entry.name));
  if (DefinesHandler(out, entry.name)) {
    return absl::FailedPreconditionError(
        Cat("the file defines a handler \"", entry.name, "\" itself; remove it first"));
  }
  if (IsBlank(out)) out = "version = 2\n";
  if (!NamesItsVersion(out)) {
    return absl::FailedPreconditionError("a file of version 1; run `containerd config migrate` first");
  }
  if (!out.ends_with('\n')) out += '\n';
  const std::string table = Table(out, entry.name);
  out += BeginMark(entry.name);
  out += Cat("[", table, "]\n  runtime_type = \"io.containerd.runc.v2\"\n  pod_annotations = [\"dev.gvisor.*\"]\n");
  out += Cat("[", table, ".options]\n  BinaryName = ", Quoted(entry.path), "\n");
  out += EndMark(entry.name);
  return out;
}

absl::StatusOr<std::string> RemoveContainerdRuntime(std::string_view toml, std::string_view name) {
  std::string out(toml);
  if (const std::optional<Span> ours = FindOurs(out, name)) out.erase(ours->begin, ours->end - ours->begin);
  return out;
}

}  // namespace runsc
