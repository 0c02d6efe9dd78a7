// Statuses made from host errors.
#include "platform/host/status_util.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

TEST(HostErrorTest, SaysWhatWasTriedOnWhat) {
  absl::Status status = HostError(ENOENT, "openat %s", "/x");
  EXPECT_EQ(status.message(), "openat /x: No such file or directory");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(ToErrno(status), Errno(ENOENT));
}

TEST(HostErrorTest, EveryErrnoComesBack) {
  for (int err = 1; err < 133; err++) EXPECT_EQ(ToErrno(HostError(err, "x")), Errno(err)) << err;
}

TEST(HostErrorTest, OtherStatusesGetTheNearest) {
  EXPECT_EQ(ToErrno(absl::OkStatus()), Errno(0));
  EXPECT_EQ(ToErrno(absl::InvalidArgumentError("x")), Errno(EINVAL));
  EXPECT_EQ(ToErrno(absl::InternalError("x")), Errno(EIO));
}

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return n / 2;
}
absl::StatusOr<int> Quarter(int n) {
  ASSIGN_OR_RETURN(int half, Half(n));
  ASSIGN_OR_RETURN(int quarter, Half(half));
  return quarter;
}

TEST(StatusMacrosTest, PropagateTheFirstFailure) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_FALSE(Quarter(6).ok());
}

}  // namespace
}  // namespace runsc
