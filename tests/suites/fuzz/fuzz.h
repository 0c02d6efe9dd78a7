// A guest that makes random system calls: see attack.cc and compare.cc.
#pragma once

#include <stdint.h>

namespace fuzz {

struct Options {
  uint64_t seed = 1;
  uint64_t calls = 20000;
  int64_t seconds = 0;  // attack: this long, instead of `calls`
  int threads = 3;      // of a worker
  uint64_t calls_per_worker = 2000;
  uint64_t sequences = 1;  // compare: with seeds from `seed` on
};

int Attack(const Options& options);
int Compare(const Options& options);

}  // namespace fuzz
