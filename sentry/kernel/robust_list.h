// Robust futexes: what a thread that ends leaves to those who wait for its locks.
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

void WalkRobustList(Task& task, int tid);

}  // namespace runsc
