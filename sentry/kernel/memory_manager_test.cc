#include "sentry/kernel/memory_manager.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "sentry/kernel/testing/fake_platform.h"

namespace runsc {
namespace {

class MemoryManagerTest : public testing::Test {
 protected:
  RefPtr<MemoryManager> New() { return MakeRef<MemoryManager>(*platform_.NewAddressSpace(), platform_.layout()); }
  FakePlatform platform_;
};

TEST_F(MemoryManagerTest, ExecTakesOnlyMemoryThatNobodyElseHas) {
  const RefPtr<MemoryManager> mm = New();
  const uint64_t id = mm->id();
  {
    const RefPtr<MemoryManager> other = mm;
    EXPECT_FALSE(mm->ClaimForExec());
    EXPECT_EQ(mm->id(), id) << "the other still means this program";
  }
  EXPECT_TRUE(mm->ClaimForExec());
  EXPECT_NE(mm->id(), id);
}

// /proc/PID/mem, opened before: who finds his program's memory keeps it while he holds it.
TEST_F(MemoryManagerTest, NoExecPutsAnotherProgramUnderAWriter) {
  constexpr int kRounds = 1500;
  for (int round = 0; round < kRounds; ++round) {
    const RefPtr<MemoryManager> mm = New();
    const uint64_t opened = mm->id();
    std::atomic<int> ready{0};
    bool found = false, claimed = false;
    const auto meet = [&] {
      for (ready.fetch_add(1); ready.load() < 2;) std::this_thread::yield();
    };
    RefPtr<MemoryManager> held;
    std::thread writer([&] {
      meet();
      held = mm;
      found = held->id() == opened;
    });
    meet();
    claimed = mm->ClaimForExec();
    writer.join();
    ASSERT_FALSE(found && claimed) << "round " << round;
  }
}

}  // namespace
}  // namespace runsc
