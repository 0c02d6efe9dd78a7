// How a message's fields become bytes: each struct names its fields once, in Visit, for both directions.
//
//   struct Example {
//     int32_t number = 0;
//     std::string text;
//     template <class V> void Visit(V& v) { v(number, text); }
//   };
//
// Integers take eight bytes, texts and lists a length before them. Both ends are the same program.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace runsc {

template <typename T>
concept WireScalar = std::integral<T> || std::is_enum_v<T>;

class MessageWriter {
 public:
  template <typename... T>
  void operator()(T&... fields) {
    (Put(fields), ...);
  }
  std::string Take() { return std::move(out_); }

 private:
  template <WireScalar T>
  void Put(const T& value) {
    const int64_t wide = static_cast<int64_t>(value);
    out_.append(reinterpret_cast<const char*>(&wide), sizeof(wide));
  }
  void Put(std::string& text) {
    Put(text.size());
    out_ += text;
  }
  template <typename T>
  void Put(std::vector<T>& list) {
    Put(list.size());
    for (T& item : list) Put(item);
  }
  template <typename T>
  requires std::is_class_v<T>
  void Put(T& message) { message.Visit(*this); }

  std::string out_;
};

class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : left_(bytes) {}
  template <typename... T>
  void operator()(T&... fields) {
    (Get(fields), ...);
  }
  // Everything was there, and nothing more.
  bool complete() const { return ok_ && left_.empty(); }

 private:
  std::string_view Take(size_t size) {
    ok_ &= size <= left_.size();
    if (!ok_) return {};
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }
  template <WireScalar T>
  void Get(T& value) {
    int64_t wide = 0;
    const std::string_view bytes = Take(sizeof(wide));
    if (ok_) memcpy(&wide, bytes.data(), sizeof(wide));
    value = static_cast<T>(wide);
    ok_ &= static_cast<int64_t>(value) == wide;
  }
  void Get(std::string& text) {
    size_t size = 0;
    Get(size);
    text = Take(size);
  }
  template <typename T>
  void Get(std::vector<T>& list) {
    size_t size = 0;
    Get(size);
    list.clear();
    // Every item takes a byte at least: no length can make us allocate more than we were sent.
    if (size > left_.size()) ok_ = false;
    for (size_t i = 0; ok_ && i < size; ++i) Get(list.emplace_back());
  }
  template <typename T>
  requires std::is_class_v<T>
  void Get(T& message) { message.Visit(*this); }

  std::string_view left_;
  bool ok_ = true;
};

template <typename T>
std::string ToWire(T message) {
  MessageWriter writer;
  message.Visit(writer);
  return writer.Take();
}

// Nothing for bytes that are not exactly a T.
template <typename T>
std::optional<T> FromWire(std::string_view bytes) {
  T message;
  MessageReader reader(bytes);
  message.Visit(reader);
  if (!reader.complete()) return std::nullopt;
  return message;
}

}  // namespace runsc
