#include "runsc-cli/cgroup/hierarchy.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

constexpr char kHybridMounts[] =
    "30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    "35 30 0:28 / /second/memory rw - cgroup cgroup rw,memory\n";
constexpr char kHybridSelf[] = "4:memory:/a/b\n3:cpu,cpuacct:/\n2:name=systemd:/s\n0::/u/session.scope\n";

TEST(Hierarchies, FindsEveryHierarchyOnce) {
  const auto found = ParseCgroupHierarchies(kHybridMounts, kHybridSelf);

  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].names, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ(found[1].mount_point, "/sys/fs/cgroup/memory");
  EXPECT_EQ(found[1].own_path, "/a/b");
  EXPECT_EQ(found[2].names[0], "name=systemd");
  EXPECT_TRUE(found[3].unified());
}

TEST(Hierarchies, ReadsEscapedMountPoints) {
  const auto found = ParseCgroupHierarchies("1 1 0:1 / /my\\040groups rw - cgroup2 none rw\n", "0::/\n");

  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].mount_point, "/my groups");
}

TEST(Hierarchies, IgnoresWhatIsMalformed) {
  EXPECT_TRUE(ParseCgroupHierarchies("cgroup\n - cgroup\n1 2 - cgroup2\n", "x\n:::\n").empty());
}

TEST(PlaceCgroup, AbsolutePathsBeginAtTheMountPoint) {
  const auto paths = PlaceCgroup(ParseCgroupHierarchies(kHybridMounts, kHybridSelf), "/docker//./x/");

  ASSERT_TRUE(paths.ok());
  EXPECT_EQ(paths->at("memory"), "/sys/fs/cgroup/memory/docker/x");
  EXPECT_EQ(paths->at("cpu"), "/sys/fs/cgroup/cpu,cpuacct/docker/x");
  EXPECT_EQ(paths->at("cpuacct"), paths->at("cpu"));
  EXPECT_EQ(paths->at(""), "/sys/fs/cgroup/unified/docker/x");
}

TEST(PlaceCgroup, RelativePathsBeginWhereWeAre) {
  const auto paths = PlaceCgroup(ParseCgroupHierarchies(kHybridMounts, kHybridSelf), "x");

  ASSERT_TRUE(paths.ok());
  EXPECT_EQ(paths->at("memory"), "/sys/fs/cgroup/memory/a/b/x");
  EXPECT_EQ(paths->at("cpu"), "/sys/fs/cgroup/cpu,cpuacct/x");
  EXPECT_EQ(paths->at(""), "/sys/fs/cgroup/unified/u/x");
}

TEST(PlaceCgroup, LeavesOutWhatLiesAboveTheMount) {
  const auto host =
      ParseCgroupHierarchies("1 1 0:1 /docker/id /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/docker/id/init\n");
  const auto paths = PlaceCgroup(host, "x");

  ASSERT_TRUE(paths.ok());
  EXPECT_EQ(paths->at(""), "/sys/fs/cgroup/x");
  EXPECT_TRUE(IsUnifiedOnly(*paths));
}

TEST(PlaceCgroup, RefusesToLeaveTheHierarchy) {
  const auto host = ParseCgroupHierarchies(kHybridMounts, kHybridSelf);

  for (const char* path : {"/../x", "a/../../b", "/", "", "//."}) EXPECT_FALSE(PlaceCgroup(host, path).ok()) << path;
}

TEST(SystemdNames, MakesScopesOfThreeParts) {
  const auto scope = ParseSystemdCgroup("kubepods-pod1.slice:cri-containerd:abc", "id");

  ASSERT_TRUE(scope.ok());
  EXPECT_EQ(scope->slice, "kubepods-pod1.slice");
  EXPECT_EQ(scope->unit, "cri-containerd-abc.scope");
  EXPECT_EQ(ParseSystemdCgroup("", "id")->unit, "runsc-id.scope");
  EXPECT_EQ(ParseSystemdCgroup(":docker:x", "id")->slice, "system.slice");
  EXPECT_EQ(ParseSystemdCgroup("a.slice::b.slice", "id")->unit, "b.slice");
}

TEST(SystemdNames, RefusesOtherForms) {
  for (const char* text : {"/docker/x", "a:b", "a:b:c:d", "a.slice:b:", "a.slice:b:x/y"}) {
    EXPECT_FALSE(ParseSystemdCgroup(text, "id").ok()) << text;
  }
}

TEST(SystemdNames, ExpandsSlices) {
  EXPECT_EQ(*ExpandSlice("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
  EXPECT_EQ(*ExpandSlice("-.slice"), "");
  for (const char* slice : {"a", "a--b.slice", "-a.slice", "../x.slice", ".slice"})
    EXPECT_FALSE(ExpandSlice(slice).ok()) << slice;
}

}  // namespace
}  // namespace runsc
