// Prints the system call table.
#include "runsc-cli/verbs/syscall_help.h"

#include <fcntl.h>

#include <string>

#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/json_text.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/verbs/verb.h"
#include "syscalls/table.h"

namespace runsc {
namespace {

std::string_view SupportName(SyscallSupport support) {
  switch (support) {
    case SyscallSupport::kFull:
      return "full";
    case SyscallSupport::kPartial:
      return "partial";
    case SyscallSupport::kNone:
      break;
  }
  return "unsupported";
}

std::string Pad(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string AsTable() {
  std::string out = Cat(Pad("NUM", 5), Pad("NAME", 25), Pad("SUPPORT", 13), "NOTE\n");
  for (const SyscallRow& row : SyscallRows()) {
    out += Pad(Cat(row.number), 5) + Pad(row.name, 25) + Pad(std::string(SupportName(row.support)), 13);
    out += Cat(row.note, "\n");
  }
  return out;
}

// RFC 4180: quotes doubled.
std::string CsvField(std::string_view text) {
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string AsCsv() {
  std::string out = "number,name,support,note\n";
  for (const SyscallRow& row : SyscallRows()) {
    out += Cat(row.number, ",", row.name, ",", SupportName(row.support), ",", CsvField(row.note), "\n");
  }
  return out;
}

std::string AsJson() {
  std::string out = "[";
  for (const SyscallRow& row : SyscallRows()) {
    out += Cat(out.size() > 1 ? ",\n" : "\n", " {\"number\":", row.number, ",\"name\":", JsonString(row.name),
               ",\"support\":", JsonString(SupportName(row.support)), ",\"note\":", JsonString(row.note), "}");
  }
  return out + "\n]\n";
}

}  // namespace

absl::Status WriteSyscallTable(std::string_view format, const std::string& path) {
  const std::string text = format == "csv" ? AsCsv() : format == "json" ? AsJson() : AsTable();
  if (!path.empty()) return WriteFileAtomicAt(AT_FDCWD, path, text, 0644);
  return Print(text);
}

}  // namespace runsc
