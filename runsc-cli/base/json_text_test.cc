// Unit tests of JSON escaping.
#include "runsc-cli/base/json_text.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

TEST(JsonString, EscapesWhatJsonDemands) {
  EXPECT_EQ(JsonString("a\"b\\c\n\t\x01"), R"("a\"b\\c\n\t\u0001")");
  EXPECT_EQ(JsonString(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(JsonString, KeepsUtf8AndReplacesTheRest) {
  EXPECT_EQ(JsonString("\u00e9\u20ac\U0001f600"), "\"\u00e9\u20ac\U0001f600\"");
  EXPECT_EQ(JsonString("\xff"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(JsonString("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");  // overlong NUL
  EXPECT_EQ(JsonString("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");  // cut short
}

}  // namespace
}  // namespace runsc
