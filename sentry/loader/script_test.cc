#include "sentry/loader/script.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

TEST(Script, InterpreterAndOneArgument) {
  const auto line = ParseScriptLine("#! /usr/bin/env  python3 -u \necho");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->interpreter, "/usr/bin/env");
  EXPECT_EQ(line->argument, "python3 -u");
}

TEST(Script, WithoutArgument) {
  const auto line = ParseScriptLine("#!/bin/sh\n");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->interpreter, "/bin/sh");
  EXPECT_FALSE(line->argument.has_value());
}

TEST(Script, EndOfFileEndsTheLine) { EXPECT_EQ(ParseScriptLine("#!/bin/sh")->interpreter, "/bin/sh"); }

TEST(Script, EndOfFileNamesTheEmptyPath) { EXPECT_EQ(ParseScriptLine("#!")->interpreter, ""); }

TEST(Script, EmptyLineIsRefused) {
  EXPECT_EQ(ParseScriptLine("#!\n").error(), Errno(ENOEXEC));
  EXPECT_EQ(ParseScriptLine("#!  \t\n").error(), Errno(ENOEXEC));
}

TEST(Script, TruncatedInterpreterIsRefused) {
  const std::string head = "#!/" + std::string(kScriptHeadSize - 3, 'x');
  EXPECT_EQ(ParseScriptLine(head).error(), Errno(ENOEXEC));
}

TEST(Script, TruncatedArgumentIsCut) {
  std::string head = "#!/bin/sh " + std::string(kScriptHeadSize, 'x');
  head.resize(kScriptHeadSize);
  EXPECT_EQ(ParseScriptLine(head)->interpreter, "/bin/sh");
}

}  // namespace
}  // namespace runsc
