// Command-line flags in Go's spelling: one or two dashes, `-name=value` or `-name value`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace runsc {

enum class FlagKind {
  kBool,      // --x, --x=true, --x=false; never takes the next argument
  kString,    // any text
  kInt,       // decimal, may be negative
  kUint,      // decimal
  kDuration,  // Go's: "20ms", "1m30s", "0"
  kEnum,      // one of `choices`
  kSwitch,    // as kEnum; alone, or before a word that is none of them, it means "true"
  kList,      // a string that may be given several times
};

// One flag of one verb (or a global one). Plain data, so that a table of flags is a constant.
struct FlagDef {
  std::string_view name;
  FlagKind kind;
  std::string_view default_value;
  std::string_view choices;  // for kEnum: "a|b|c"
  std::string_view help;
  std::string_view alias = {};  // a second spelling ("b" for "bundle")
  bool has_effect = true;       // false: accepted for compatibility, named in the debug log when set
};

// The values of a table of flags. Starts with every default.
class FlagSet {
 public:
  explicit FlagSet(std::span<const FlagDef> defs);

  // Parses leading flags of `args` until "--", "-" or the first word that is no flag. Returns how
  // many arguments were used up. The error says which flag and what to do.
  absl::StatusOr<size_t> Parse(std::span<const std::string_view> args);

  // Values; `name` must be in the table.
  bool GetBool(std::string_view name) const;
  int64_t GetInt(std::string_view name) const;
  const std::string& GetString(std::string_view name) const;
  const std::vector<std::string>& GetList(std::string_view name) const;
  bool IsSet(std::string_view name) const;

  // True when -h, -help or --help was met; parsing stopped there.
  bool help_requested() const { return help_requested_; }
  std::span<const FlagDef> defs() const { return defs_; }

  // The flags that were set, as arguments that set them again: what a child process is given.
  std::vector<std::string> ToArgs() const;

 private:
  struct Value {
    std::vector<std::string> texts;
    bool is_set = false;
  };

  absl::Status UnknownFlag(std::string_view name) const;
  absl::StatusOr<size_t> ParseOne(std::span<const std::string_view> args);
  absl::Status Assign(size_t index, std::string_view text);
  size_t Find(std::string_view name) const;  // index, or kNone
  const Value& Lookup(std::string_view name) const;

  static constexpr size_t kNone = ~size_t{0};
  std::span<const FlagDef> defs_;
  std::vector<Value> values_;
  bool help_requested_ = false;
};

// Nanoseconds of a Go duration ("1h2m3.5s", "20ms", "0").
absl::StatusOr<int64_t> ParseGoDuration(std::string_view text);

}  // namespace runsc
