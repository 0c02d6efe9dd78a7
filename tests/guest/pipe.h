// A pipe of a test.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "tests/guest/harness.h"

namespace guest {

struct Pipe {
  explicit Pipe(int flags = 0) { ASSERT_OK(pipe2(fds, flags)); }
  int fds[2];
  int reader() const { return fds[0]; }
  int writer() const { return fds[1]; }
};

}  // namespace guest
