#include "sentry/loader/stack.h"

#include <elf.h>

#include <cstring>

namespace runsc {
namespace {

constexpr char kPlatform[] = "x86_64";

size_t StringsSize(const std::vector<std::string>& strings) {
  size_t size = 0;
  for (const std::string& s : strings) size += s.size() + 1;
  return size;
}

// Appends strings with their NULs; the vector gets where each starts.
void AppendStrings(const std::vector<std::string>& strings, GuestAddr base, std::string& out,
                   std::vector<uint64_t>& vector) {
  for (const std::string& s : strings) {
    vector.push_back(base + out.size());
    out.append(s.c_str(), s.size() + 1);
  }
  vector.push_back(0);
}

void AppendWords(const std::vector<uint64_t>& words, std::string& out) {
  out.append(reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint64_t));
}

}  // namespace

// From the top down, as Linux: a null word, the file name, environment, arguments, platform, random bytes,
// then (at the stack pointer, 16-byte aligned) argc, argv, envp, auxv.
StackImage BuildStack(const StackRequest& request) {
  StackImage image;
  const size_t strings_size =
      StringsSize(*request.argv) + StringsSize(*request.envp) + request.filename.size() + 1 + sizeof(uint64_t);
  const GuestAddr strings = request.top - strings_size;
  std::string text;
  std::vector<uint64_t> vectors{request.argv->size()};
  AppendStrings(*request.argv, strings, text, vectors);
  image.arg_start = strings;
  image.arg_end = image.env_start = strings + text.size();
  AppendStrings(*request.envp, strings, text, vectors);
  image.env_end = strings + text.size();
  const GuestAddr filename = strings + text.size();
  text.append(request.filename.c_str(), request.filename.size() + 1);
  text.append(sizeof(uint64_t), '\0');

  std::string small(kPlatform, sizeof(kPlatform));
  const GuestAddr small_addr = (strings - sizeof(kPlatform) - request.random.size()) & ~GuestAddr{15};
  small += request.random;
  small.resize(strings - small_addr);

  auto auxv = request.auxv;
  auxv.insert(
      auxv.end(),
      {{AT_RANDOM, small_addr + sizeof(kPlatform)}, {AT_EXECFN, filename}, {AT_PLATFORM, small_addr}, {AT_NULL, 0}});
  for (const auto& [key, value] : auxv) {
    image.auxv.append(reinterpret_cast<const char*>(&key), 8);
    image.auxv.append(reinterpret_cast<const char*>(&value), 8);
  }
  image.sp = (small_addr - vectors.size() * 8 - image.auxv.size()) & ~GuestAddr{15};
  AppendWords(vectors, image.bytes);
  image.bytes += image.auxv;
  image.bytes.resize(small_addr - image.sp);
  image.bytes += small;
  image.bytes += text;
  return image;
}

}  // namespace runsc
