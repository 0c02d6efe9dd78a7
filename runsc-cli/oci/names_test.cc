// Unit tests of the name tables.
#include "runsc-cli/oci/names.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>

namespace runsc {
namespace {

TEST(Names, CapabilitiesAreInKernelOrder) {
  EXPECT_EQ(CapabilityFromName("CAP_CHOWN"), CAP_CHOWN);
  EXPECT_EQ(CapabilityFromName("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
  EXPECT_EQ(CapabilityFromName("CAP_CHECKPOINT_RESTORE"), 40);
  EXPECT_EQ(CapabilityName(CAP_LAST_CAP), "CAP_CHECKPOINT_RESTORE");
  EXPECT_EQ(CapabilityFromName("chown"), std::nullopt);
}

TEST(Names, SignalsByNameAndNumber) {
  EXPECT_EQ(SignalFromName("TERM"), SIGTERM);
  EXPECT_EQ(SignalFromName("sigkill"), SIGKILL);
  EXPECT_EQ(SignalFromName("9"), SIGKILL);
  EXPECT_EQ(SignalFromName("0"), 0);
  EXPECT_EQ(SignalFromName("RTMIN+3"), 37);
  EXPECT_EQ(SignalFromName("SIGRTMAX-1"), 63);
  for (const char* bad : {"", "65", "-1", "NOPE", "SIG", "RTMIN+99", "RTMAX+1", "9x"}) {
    EXPECT_EQ(SignalFromName(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace runsc
