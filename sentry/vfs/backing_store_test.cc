#include "sentry/vfs/backing_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <vector>

namespace runsc {
namespace {

TEST(MemfdStore, LeavesDescriptorsForTheRest) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {800, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    ReserveDescriptors();
    MemfdStore store;
    std::vector<UniqueFd> files;
    Result<UniqueFd> file = store.CreateFile("x");
    for (; file.ok(); file = store.CreateFile("x")) files.push_back(std::move(*file));
    EXPECT_EQ(file.error(), Errno(ENFILE));
    EXPECT_GT(files.size(), 500u);
    std::vector<UniqueFd> others;
    for (int i = 0; i < 90; ++i) others.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(others.back().valid());
  }
  setrlimit(RLIMIT_NOFILE, &before);
  ReserveDescriptors();
}

}  // namespace
}  // namespace runsc
