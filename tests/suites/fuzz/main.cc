// fuzz attack|compare [--seed N] [--calls N] [--seconds N] [--threads N] [--sequences N]
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/suites/fuzz/fuzz.h"

namespace {

bool Parse(int argc, char** argv, fuzz::Options* options) {
  for (int i = 2; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    const uint64_t value = strtoull(argv[i + 1], nullptr, 0);
    const auto is = [&](const char* name) { return strcmp(argv[i], name) == 0; };
    if (is("--seed")) {
      options->seed = value;
    } else if (is("--calls")) {
      options->calls = value;
    } else if (is("--seconds")) {
      options->seconds = static_cast<int64_t>(value);
    } else if (is("--sequences")) {
      options->sequences = value;
    } else if (is("--threads")) {
      options->threads = static_cast<int>(value);
    } else {
      return false;
    }
  }
  return true;
}

// A memfd is bounded by nothing else: one fallocate of a native run could take the machine's memory.
void BoundFiles() {
  constexpr rlimit kFile{64 << 20, 64 << 20};
  signal(SIGXFSZ, SIG_IGN);
  if (setrlimit(RLIMIT_FSIZE, &kFile) != 0) perror("fuzz: RLIMIT_FSIZE"), exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  fuzz::Options options;
  const char* mode = argc > 1 ? argv[1] : "";
  if (Parse(argc, argv, &options)) {
    BoundFiles();
    if (strcmp(mode, "attack") == 0) return fuzz::Attack(options);
    if (strcmp(mode, "compare") == 0) return fuzz::Compare(options);
  }
  fprintf(stderr, "usage: fuzz attack|compare [--seed N] [--calls N] [--seconds N] [--threads N] [--sequences N]\n");
  return 2;
}
