// What several programs about files share.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/guest/harness.h"

namespace guest {

inline void Put(const char* path, const std::string& data) {
  const int fd = ASSERT_OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  EXPECT_EQ(write(fd, data.data(), data.size()), (ssize_t)data.size());
  close(fd);
}

inline struct stat Stat(const char* path) {
  struct stat st = {};
  EXPECT_OK(lstat(path, &st));
  return st;
}

}  // namespace guest
