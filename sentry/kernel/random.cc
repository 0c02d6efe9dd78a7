#include "sentry/kernel/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr size_t kChunk = 4096;

Result<size_t> WriteChunk(IoSink& dst, std::span<std::byte> buffer) {
  FillRandom(buffer.data(), buffer.size());
  return dst.Write(buffer);
}

}  // namespace

void FillRandom(void* dst, size_t size) {
  char* at = static_cast<char*>(dst);
  while (size > 0) {
    const ssize_t n = getrandom(at, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) abort();  // predictable "random" bytes would be worse
    at += n;
    size -= n;
  }
}

Result<size_t> WriteRandom(Task& task, IoSink& dst) {
  std::array<std::byte, kChunk> buffer;
  size_t done = 0;
  while (dst.remaining() > 0) {
    const size_t want = std::min(dst.remaining(), buffer.size());
    const auto n = WriteChunk(dst, std::span(buffer).first(want));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
    if (*n < want || (dst.remaining() > 0 && task.HasPendingSignal())) break;
  }
  return done;
}

std::string RandomUuid() {
  unsigned char b[16];
  FillRandom(b, sizeof(b));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  char text[37];
  char* at = text;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    at += snprintf(at, 3, "%02x", b[i]);
  }
  return std::string(text, 36);
}

}  // namespace runsc
