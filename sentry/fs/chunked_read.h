// Reads that go through a buffer of the sentry's.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "sentry/vfs/file.h"

namespace runsc {

// Fills `dst` from `read(span, done)`, which gives how many of the span's bytes it filled, 0 at the end, or why
// not. An error after the first bytes is kept for the next call, as read(2) does.
template <typename Read>
Result<size_t> ReadInChunks(IoSink& dst, Read read) {
  std::array<std::byte, 16 << 10> chunk;
  size_t done = 0;
  while (dst.remaining() > 0) {
    const Result<size_t> got = read(std::span(chunk).first(std::min(dst.remaining(), chunk.size())), done);
    if (!got.ok() || *got == 0) return done > 0 ? Result<size_t>(done) : got;
    const auto n = dst.Write(std::span(chunk).first(*got));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
    if (*n < *got) break;
  }
  return done;
}

}  // namespace runsc
