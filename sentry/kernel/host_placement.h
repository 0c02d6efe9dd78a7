// Priority, policy and CPUs of a guest thread, asked of the host for the host thread that runs it.
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

// After the first event of a context, when its host thread is known. Own thread of `task`.
void PlaceHostThread(Task& task);
// Before a context ends: its host thread may serve another guest thread. Own thread of `task`.
void ResetHostThread(Task& task);
// The guest changed what it asks for. Any thread, no ranked lock held.
void HostPriorityChanged(Task& task);
void HostCpusChanged(Task& task, const std::array<uint64_t, 16>& mask);

}  // namespace runsc
