// Small text helpers over std::string_view (Debian's Abseil has a string_view type of its own).
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace runsc {

// One piece of Cat(): text or an integer in decimal.
class TextPiece {
 public:
  TextPiece(std::string_view text) : text_(text) {}          // NOLINT
  TextPiece(const std::string& text) : text_(text) {}        // NOLINT
  TextPiece(const char* text) : text_(text) {}               // NOLINT
  TextPiece(char c) : text_(buffer_, 1) { buffer_[0] = c; }  // NOLINT
  template <std::integral T>
  TextPiece(T value) {  // NOLINT
    const auto end = std::to_chars(buffer_, buffer_ + sizeof(buffer_), value);
    text_ = {buffer_, static_cast<size_t>(end.ptr - buffer_)};
  }
  TextPiece(const TextPiece&) = delete;
  std::string_view text() const { return text_; }

 private:
  char buffer_[24];
  std::string_view text_;
};

template <typename... Args>
std::string Cat(const Args&... args) {
  std::string out;
  (out.append(TextPiece(args).text()), ...);
  return out;
}

inline std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == text.npos) return parts;
    text.remove_prefix(at + 1);
  }
}

template <typename Range>
std::string Join(const Range& parts, std::string_view separator) {
  std::string out;
  for (const auto& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

// The whole text as a decimal number.
template <std::integral T>
std::optional<T> ParseNumber(std::string_view text) {
  T value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

inline bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

inline bool ConsumeSuffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

template <typename... Args>
absl::Status InvalidArgument(const Args&... args) {
  return absl::InvalidArgumentError(Cat(args...));
}

inline std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

}  // namespace runsc
