// Parser for Go-style command-line flags.
#include "runsc-cli/base/flags.h"

#include <cstdlib>

#include "runsc-cli/base/suggest.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

absl::Status BadValue(const FlagDef& def, std::string_view text, std::string_view expected) {
  return InvalidArgument("invalid value \"", text, "\" for flag --", def.name, ": expected ", expected);
}

// The spellings Go's strconv.ParseBool takes.
bool ParseGoBool(std::string_view text, bool* value) {
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return *value = true, true;
  }
  for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return *value = false, true;
  }
  return false;
}

absl::Status CheckEnum(const FlagDef& def, std::string_view text) {
  const std::vector<std::string_view> choices = Split(def.choices, '|');
  for (std::string_view choice : choices) {
    if (text == choice) return absl::OkStatus();
  }
  return BadValue(def, text, Cat("one of ", Join(choices, ", ")));
}

absl::Status CheckValue(const FlagDef& def, std::string_view text) {
  bool bool_value;
  switch (def.kind) {
    case FlagKind::kBool:
      if (!ParseGoBool(text, &bool_value)) return BadValue(def, text, "true or false");
      break;
    case FlagKind::kInt:
      if (!ParseNumber<int64_t>(text)) return BadValue(def, text, "a number");
      break;
    case FlagKind::kUint:
      if (!ParseNumber<uint64_t>(text)) return BadValue(def, text, "a number, not negative");
      break;
    case FlagKind::kDuration:
      if (!ParseGoDuration(text).ok()) return BadValue(def, text, "a duration such as 20ms or 1m");
      break;
    case FlagKind::kEnum:
    case FlagKind::kSwitch:
      return CheckEnum(def, text);
    case FlagKind::kString:
    case FlagKind::kList:
      break;
  }
  return absl::OkStatus();
}

double UnitNs(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "\u00b5s") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  if (unit == "m") return 60e9;
  if (unit == "h") return 3600e9;
  return 0;
}

}  // namespace

absl::StatusOr<int64_t> ParseGoDuration(std::string_view text) {
  const auto bad = InvalidArgument("not a duration: \"", text, "\"");
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return bad;
  double total = 0;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const size_t next = std::min(text.find_first_of("0123456789.", digits), text.size());
    const std::string_view number_text = text.substr(0, digits);
    double number;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
    if (error != std::errc() || end != number_text.end()) return bad;
    const double unit = UnitNs(text.substr(digits, next - digits));
    if (unit == 0) return bad;
    total += number * unit;
    text.remove_prefix(next);
  }
  if (total >= 9.2e18) return bad;
  return static_cast<int64_t>(negative ? -total : total);
}

FlagSet::FlagSet(std::span<const FlagDef> defs) : defs_(defs), values_(defs.size()) {
  for (size_t i = 0; i < defs.size(); ++i) {
    if (defs[i].kind != FlagKind::kList) {
      values_[i].texts.emplace_back(defs[i].default_value);
    }
  }
}

absl::StatusOr<size_t> FlagSet::Parse(std::span<const std::string_view> args) {
  size_t used = 0;
  while (used < args.size() && !help_requested_) {
    const std::string_view arg = args[used];
    if (arg.size() < 2 || arg[0] != '-') break;
    if (arg == "--") return used + 1;
    absl::StatusOr<size_t> step = ParseOne(args.subspan(used));
    if (!step.ok()) return step.status();
    used += *step;
  }
  return used;
}

absl::Status FlagSet::UnknownFlag(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const FlagDef& def : defs_) names.push_back(def.name);
  return InvalidArgument("flag provided but not defined: --", name, Suggestion(name, names));
}

// Parses the flag at the front of `args`; returns the number of arguments it took (1 or 2).
absl::StatusOr<size_t> FlagSet::ParseOne(std::span<const std::string_view> args) {
  std::string_view body = args[0].substr(args[0].starts_with("--") ? 2 : 1);
  if (body.empty() || body[0] == '-' || body[0] == '=') {
    return InvalidArgument("bad flag syntax: ", args[0]);
  }
  const size_t equals = body.find('=');
  const std::string_view name = body.substr(0, equals);
  const size_t index = Find(name);
  if (index == kNone) {
    if (name == "h" || name == "help") {
      help_requested_ = true;
      return 1;
    }
    return UnknownFlag(name);
  }
  if (equals != body.npos) {
    if (absl::Status s = Assign(index, body.substr(equals + 1)); !s.ok()) return s;
    return 1;
  }
  const FlagDef& def = defs_[index];
  const bool alone = def.kind == FlagKind::kSwitch && (args.size() < 2 || !CheckEnum(def, args[1]).ok());
  if (def.kind == FlagKind::kBool || alone) {
    if (absl::Status s = Assign(index, "true"); !s.ok()) return s;
    return 1;
  }
  if (args.size() < 2) {
    return InvalidArgument("flag needs an argument: --", name);
  }
  if (absl::Status s = Assign(index, args[1]); !s.ok()) return s;
  return 2;
}

absl::Status FlagSet::Assign(size_t index, std::string_view text) {
  if (absl::Status s = CheckValue(defs_[index], text); !s.ok()) return s;
  Value& value = values_[index];
  if (defs_[index].kind != FlagKind::kList) value.texts.clear();
  value.texts.emplace_back(text);
  value.is_set = true;
  return absl::OkStatus();
}

size_t FlagSet::Find(std::string_view name) const {
  for (size_t i = 0; i < defs_.size(); ++i) {
    if (defs_[i].name == name || (!defs_[i].alias.empty() && defs_[i].alias == name)) return i;
  }
  return kNone;
}

const FlagSet::Value& FlagSet::Lookup(std::string_view name) const {
  const size_t index = Find(name);
  if (index == kNone) abort();  // a verb asked for a flag that is not in its table: our bug
  return values_[index];
}

bool FlagSet::GetBool(std::string_view name) const {
  bool value = false;
  ParseGoBool(Lookup(name).texts[0], &value);
  return value;
}

int64_t FlagSet::GetInt(std::string_view name) const { return ParseNumber<int64_t>(Lookup(name).texts[0]).value_or(0); }

const std::string& FlagSet::GetString(std::string_view name) const { return Lookup(name).texts[0]; }

const std::vector<std::string>& FlagSet::GetList(std::string_view name) const { return Lookup(name).texts; }

bool FlagSet::IsSet(std::string_view name) const { return Lookup(name).is_set; }

std::vector<std::string> FlagSet::ToArgs() const {
  std::vector<std::string> args;
  for (size_t i = 0; i < defs_.size(); ++i) {
    if (!values_[i].is_set) continue;
    for (const std::string& text : values_[i].texts) {
      args.push_back(Cat("--", defs_[i].name, "=", text));
    }
  }
  return args;
}

}  // namespace runsc
