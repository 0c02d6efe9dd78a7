#include "runsc-cli/base/printable.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

TEST(Printable, KeepsWhatIsShown) { EXPECT_EQ(Printable("a b\u00e9\u20ac \u00a0~"), "a b\u00e9\u20ac \u00a0~"); }

TEST(Printable, ReplacesWhatATerminalObeys) {
  EXPECT_EQ(Printable("a\x1b[2Jb\nc\x7f\r"), "a?[2Jb?c??");
  EXPECT_EQ(Printable("\u009b2J"), "?2J");
  EXPECT_EQ(Printable("\xc2"), "\xc2");
}

}  // namespace
}  // namespace runsc
