#include "sentry/loader/stack.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

namespace runsc {
namespace {

constexpr GuestAddr kTop = 0x7ff000000000;

class StackTest : public testing::Test {
 protected:
  StackTest() {
    StackRequest request;
    request.top = kTop;
    request.argv = &argv_;
    request.envp = &envp_;
    request.filename = "/bin/prog";
    request.random = std::string(16, 'r');
    request.auxv = {{AT_PAGESZ, 4096}};
    image_ = BuildStack(request);
  }
  uint64_t Word(size_t index) const {
    uint64_t word;
    std::memcpy(&word, image_.bytes.data() + index * 8, 8);
    return word;
  }
  std::string String(GuestAddr addr) const { return image_.bytes.c_str() + (addr - image_.sp); }

  std::vector<std::string> argv_{"prog", "one"}, envp_{"A=1"};
  StackImage image_;
};

TEST_F(StackTest, EndsAtTheTopAndIsAligned) {
  EXPECT_EQ(image_.sp % 16, 0u);
  EXPECT_EQ(image_.sp + image_.bytes.size(), kTop);
}

TEST_F(StackTest, VectorsPointToTheStrings) {
  EXPECT_EQ(Word(0), 2u);
  EXPECT_EQ(String(Word(1)), "prog");
  EXPECT_EQ(String(Word(2)), "one");
  EXPECT_EQ(Word(3), 0u);
  EXPECT_EQ(String(Word(4)), "A=1");
  EXPECT_EQ(Word(5), 0u);
  EXPECT_EQ(Word(1), image_.arg_start);
  EXPECT_EQ(Word(4), image_.env_start);
}

TEST_F(StackTest, AuxiliaryVectorIsComplete) {
  EXPECT_EQ(Word(6), uint64_t{AT_PAGESZ});
  bool random = false, name = false;
  for (size_t i = 6; Word(i) != AT_NULL; i += 2) {
    if (Word(i) == AT_RANDOM) random = String(Word(i + 1)).substr(0, 16) == std::string(16, 'r');
    if (Word(i) == AT_EXECFN) name = String(Word(i + 1)) == "/bin/prog";
  }
  EXPECT_TRUE(random);
  EXPECT_TRUE(name);
}

}  // namespace
}  // namespace runsc
