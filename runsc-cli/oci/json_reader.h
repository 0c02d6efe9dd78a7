// Typed, path-tracking access to a JSON document: the first mismatch is kept as the error and every
// later read gives a default, so that readers are straight lines.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace runsc {

// Syntax, depth and nothing else; gives the line and column of the first error.
absl::Status CheckJsonText(std::string_view text, int max_depth);

// One value of a document, perhaps absent (null counts as absent, as in Go).
class JsonValue {
 public:
  // `error` gets the first problem; it must outlive every value made from this one.
  JsonValue(const nlohmann::json* value, std::string path, absl::Status* error)
      : value_(value), path_(std::move(path)), error_(error) {}

  bool present() const { return value_ != nullptr && !value_->is_null(); }
  const std::string& path() const { return path_; }

  JsonValue Field(std::string_view name) const;  // must be an object if present
  std::string String() const;
  bool Bool() const;
  int64_t Int(int64_t min, int64_t max) const;
  uint64_t Uint64() const;
  uint32_t Uint32() const;
  std::vector<std::string> Strings() const;
  std::map<std::string, std::string> StringMap() const;
  void ForEach(const std::function<void(const JsonValue&)>& visit) const;                            // must be an array
  void ForEachMember(const std::function<void(const std::string&, const JsonValue&)>& visit) const;  // an object

  // Records an error about this value.
  void Fail(std::string_view problem) const;

 private:
  bool Is(bool matches, std::string_view expected) const;

  const nlohmann::json* value_;
  std::string path_;
  absl::Status* error_;
};

}  // namespace runsc
