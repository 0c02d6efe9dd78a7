// Access control lists.
#include "sentry/vfs/posix_acl.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

namespace runsc {
namespace {

struct Entry {
  uint16_t tag, perm;
  uint32_t id;
};
constexpr uint32_t kNone = ~0u;

std::string Value(const std::vector<Entry>& entries) {
  std::string value("\2\0\0\0", 4);
  value.append(reinterpret_cast<const char*>(entries.data()), entries.size() * sizeof(Entry));
  return value;
}

const std::vector<Entry> kList = {{1, 6, kNone}, {2, 6, 1000},   {4, 4, kNone},
                                  {8, 6, 3000},  {16, 4, kNone}, {32, 0, kNone}};

RefPtr<Credentials> User(uid_t uid, gid_t gid) {
  auto creds = MakeRef<Credentials>();
  creds->fsuid = uid;
  creds->fsgid = gid;
  return creds;
}

TEST(PosixAcl, ReadsWhatItWrote) { EXPECT_EQ(PosixAcl::Parse(Value(kList))->Serialize(), Value(kList)); }

TEST(PosixAcl, RefusesIncompleteAndDisorderedLists) {
  EXPECT_EQ(PosixAcl::Parse("\2\0\0").error(), Errno(EINVAL));
  EXPECT_EQ(PosixAcl::Parse(std::string("\3\0\0\0", 4)).error(), Errno(EOPNOTSUPP));
  EXPECT_EQ(PosixAcl::Parse(Value(kList) + "x").error(), Errno(EINVAL));
  for (size_t missing : {0, 2, 4, 5}) {
    std::vector<Entry> list = kList;
    list.erase(list.begin() + static_cast<ptrdiff_t>(missing));
    EXPECT_FALSE(PosixAcl::Parse(Value(list)).ok()) << missing;
  }
  std::vector<Entry> list = kList;
  std::swap(list[0], list[2]);
  EXPECT_FALSE(PosixAcl::Parse(Value(list)).ok());
  list = kList;
  list[1].perm = 8;
  EXPECT_FALSE(PosixAcl::Parse(Value(list)).ok());
  list = kList;
  list[0].tag = 3;
  EXPECT_FALSE(PosixAcl::Parse(Value(list)).ok());
}

TEST(PosixAcl, TheMaskLimitsNamedUsersAndGroups) {
  const PosixAcl acl = *PosixAcl::Parse(Value(kList));
  EXPECT_TRUE(acl.Check(*User(1000, 1), 7, R_OK).ok());
  EXPECT_FALSE(acl.Check(*User(1000, 1), 7, W_OK).ok());
  EXPECT_TRUE(acl.Check(*User(5, 7), 7, R_OK).ok());
  EXPECT_TRUE(acl.Check(*User(5, 3000), 7, R_OK).ok());
  EXPECT_FALSE(acl.Check(*User(5, 3000), 7, W_OK).ok());
  EXPECT_FALSE(acl.Check(*User(5, 8), 7, R_OK).ok());
}

TEST(PosixAcl, ModesAndListsFollowEachOther) {
  PosixAcl acl = *PosixAcl::Parse(Value(kList));
  bool minimal;
  EXPECT_EQ(acl.ModeBits(&minimal), 0640u);
  EXPECT_FALSE(minimal);
  acl.Chmod(0471);
  EXPECT_EQ(acl.ModeBits(&minimal), 0471u);
  EXPECT_EQ(acl.RestrictTo(0660), 0460u);
}

}  // namespace
}  // namespace runsc
