#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "syscalls/strace.h"
#include "syscalls/strace_values.h"
#include "syscalls/table.h"

namespace runsc {
namespace {

TEST(StraceValuesTest, StringsAreEscapedAndMarkedWhenCut) {
  EXPECT_EQ(QuoteBytes("a\n\"\x01\xff", false), "\"a\\n\\\"\\x01\\xff\"");
  EXPECT_EQ(QuoteBytes("ab", true), "\"ab\"...");
  EXPECT_EQ(QuoteBytes(std::string_view("\0x", 2), false), "\"\\x00x\"");
}

TEST(StraceValuesTest, FlagsAreSymbolic) {
  EXPECT_EQ(OpenFlagsText(O_RDONLY), "O_RDONLY");
  EXPECT_EQ(OpenFlagsText(O_WRONLY | O_CREAT | O_TRUNC), "O_WRONLY|O_CREAT|O_TRUNC");
  EXPECT_EQ(OpenFlagsText(O_RDWR | O_TMPFILE), "O_RDWR|O_TMPFILE");
  EXPECT_EQ(ProtText(PROT_NONE), "PROT_NONE");
  EXPECT_EQ(ProtText(PROT_READ | PROT_EXEC), "PROT_READ|PROT_EXEC");
  EXPECT_EQ(MapFlagsText(MAP_PRIVATE | MAP_ANONYMOUS), "MAP_PRIVATE|MAP_ANONYMOUS");
  EXPECT_EQ(CloneFlagsText(CLONE_VM | CLONE_VFORK | SIGCHLD), "CLONE_VM|CLONE_VFORK|SIGCHLD");
  EXPECT_EQ(CloneFlagsText(SIGCHLD), "SIGCHLD");
  EXPECT_EQ(FutexOpText(FUTEX_WAIT_PRIVATE), "FUTEX_WAIT_PRIVATE");
  EXPECT_EQ(AtFlagsText(0), "0");
}

TEST(StraceValuesTest, UnknownBitsStayVisible) { EXPECT_EQ(ProtText(PROT_READ | 0x800), "PROT_READ|0x800"); }

TEST(StraceValuesTest, SignalsAndErrors) {
  EXPECT_EQ(SignalText(SIGKILL), "SIGKILL");
  EXPECT_EQ(SignalText(34), "SIGRT_2");
  EXPECT_EQ(SignalText(0), "0");
  EXPECT_EQ(ErrnoName(ENOENT), "ENOENT");
  EXPECT_EQ(ErrnoName(512), "ERESTARTSYS");
}

TEST(StraceValuesTest, SocketAddresses) {
  const char path[] = "\x01\0/run/x";
  EXPECT_EQ(SocketAddressText({path, sizeof(path)}), "{AF_UNIX, \"/run/x\"}");
  const char abstract[] = "\x01\0\0name";
  EXPECT_EQ(SocketAddressText({abstract, sizeof(abstract) - 1}), "{AF_UNIX, @\"name\"}");
  const char in[] = "\x02\0\0\x50\x7f\0\0\x01\0\0\0\0\0\0\0";
  EXPECT_EQ(SocketAddressText({in, 16}), "{AF_INET, 127.0.0.1:80}");
  EXPECT_EQ(SocketAddressText(""), "{family 0, \"\"}");
}

TEST(StraceTest, UnknownNamesInTheFilterAreRefused) {
  std::string error;
  StraceOptions options;
  options.filter = "read,nosuch";
  EXPECT_EQ(NewStrace(options, &error), nullptr);
  EXPECT_NE(error.find("nosuch"), std::string::npos);
  options.filter = "read,write";
  EXPECT_NE(NewStrace(options, &error), nullptr);
}

TEST(TableTest, EveryNumberHasARowAndEveryGapANote) {
  std::vector<int> numbers;
  for (const SyscallRow& row : SyscallRows()) {
    numbers.push_back(row.number);
    EXPECT_TRUE(row.support == SyscallSupport::kFull || row.note[0] != '\0') << row.name;
  }
  std::vector<int> expected;
  for (int i = 0; i <= 335; ++i) expected.push_back(i);
  for (int i = 424; i <= 469; ++i) expected.push_back(i);
  EXPECT_EQ(numbers, expected);
}

}  // namespace
}  // namespace runsc
