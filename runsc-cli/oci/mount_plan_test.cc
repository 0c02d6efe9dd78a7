// Unit tests of the mount plan.
#include "runsc-cli/oci/mount_plan.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "runsc-cli/oci/template.h"

namespace runsc {
namespace {

using Kind = PlannedMount::Kind;

TEST(MountPlan, KeepsOrderAndTurnsDevTmpfsIntoDev) {
  const MountPlan plan = *PlanMounts(TemplateSpec(), "/b");
  ASSERT_EQ(plan.mounts.size(), 6u);
  EXPECT_EQ(plan.mounts[0].kind, Kind::kProc);
  EXPECT_EQ(plan.mounts[1].kind, Kind::kDev);
  EXPECT_EQ(plan.mounts[1].data, "mode=755,size=65536k");
  EXPECT_EQ(plan.mounts[1].flags, uint64_t{MS_NOSUID | MS_STRICTATIME});
  EXPECT_TRUE(plan.mounts[5].read_only());
}

TEST(MountPlan, AddsWhatProgramsNeed) {
  const MountPlan plan = *PlanMounts(Spec{}, "/b");
  ASSERT_EQ(plan.mounts.size(), 4u);
  EXPECT_EQ(plan.mounts[0].destination, "/proc");
  EXPECT_EQ(plan.mounts[3].destination, "/dev/pts");
}

TEST(MountPlan, NumbersBindsAndResolvesSources) {
  Spec spec;
  spec.mounts = {{"/a", "bind", "rel", {"ro"}},
                 {"/t", "tmpfs", "tmpfs", {"size=1k"}},
                 {"rel", "none", "/abs", {"rbind", "ro", "rw", "rprivate"}}};
  const MountPlan plan = *PlanMounts(spec, "/bundle");
  const PlannedMount& first = plan.mounts[3];
  EXPECT_EQ(first.source, "/bundle/rel");
  EXPECT_EQ(first.attach, 1);
  EXPECT_TRUE(first.read_only());
  EXPECT_FALSE(first.recursive);
  const PlannedMount& second = plan.mounts[5];
  EXPECT_EQ(second.source, "/abs");
  EXPECT_EQ(second.destination, "/rel");
  EXPECT_EQ(second.attach, 2);
  EXPECT_TRUE(second.recursive);
  EXPECT_FALSE(second.read_only());
  EXPECT_EQ(second.data, "");
}

TEST(MountPlan, UnknownOptionsOfABindMountAreErrors) {
  Spec spec;
  spec.mounts = {{"/x", "bind", "/abs", {"rbind", "rnosuid", "rro"}}};
  ASSERT_TRUE(PlanMounts(spec, "/b").ok());
  spec.mounts[0].options.push_back("fun");
  EXPECT_FALSE(PlanMounts(spec, "/b").ok());
}

TEST(MountPlan, UnknownTypeIsAnErrorAndBothCgroupsAreOne) {
  Spec spec;
  for (const char* type : {"cgroup", "cgroup2"}) {
    spec.mounts = {{"/sys/fs/cgroup", type, "cgroup", {"ro"}}};
    EXPECT_EQ(PlanMounts(spec, "/b")->mounts[3].kind, PlannedMount::Kind::kCgroup);
  }
  spec.mounts = {{"/x", "xfs", "/dev/sda", {}}};
  EXPECT_FALSE(PlanMounts(spec, "/b").ok());
}

}  // namespace
}  // namespace runsc
