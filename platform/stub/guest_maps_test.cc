// What of the host's view of a stub a guest gets to see.
#include "platform/stub/guest_maps.h"

#include <gtest/gtest.h>

namespace runsc::stub {
namespace {

TEST(GuestMapsTest, StripsTheStub) {
  const std::string text =
      "00400000-00401000 r-xp 00000000 fe:00 1 /bin/a\n"
      "7dfbfffff000-7dfc00000000 rw-p 00000000 00:00 0 \n"
      "7dfc00000000-7e0000000000 ---p 00000000 00:00 0 \n"
      "7e0000000000-7e0000010000 r-xs 00000000 00:01 5 /memfd:stub (deleted)\n"
      "7e0000206000-7e0000208000 r-xp 00000000 00:00 0 [vdso]\n"
      "7e0010000000-7e0010040000 rw-s 00000000 00:01 6 /memfd:slots (deleted)\n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";
  EXPECT_EQ(StripStubAreas(text),
            "00400000-00401000 r-xp 00000000 fe:00 1 /bin/a\n"
            "7dfbfffff000-7dfc00000000 rw-p 00000000 00:00 0 \n"
            "7e0000206000-7e0000208000 r-xp 00000000 00:00 0 [vdso]\n");
}

TEST(GuestMapsTest, StripsTheAttributesOfStubAreasToo) {
  const std::string text =
      "00400000-00401000 r-xp 00000000 fe:00 1 /bin/a\nSize: 4 kB\nVmFlags: rd ex\n"
      "7e0000000000-7e0000010000 r-xs 00000000 00:01 5 /memfd:stub\nSize: 64 kB\n";
  EXPECT_EQ(StripStubAreas(text), "00400000-00401000 r-xp 00000000 fe:00 1 /bin/a\nSize: 4 kB\nVmFlags: rd ex\n");
}

}  // namespace
}  // namespace runsc::stub
