// Who wants to hear of processes that end: layers above the kernel (System V IPC, message queues).
#pragma once

namespace runsc {

class ThreadGroup;

// `hook` runs on the last thread of every process that ends, with no lock held, after its memory and files are
// gone and before its parent can hear of it. At most a handful, added once each.
void AddProcessExitHook(void (*hook)(ThreadGroup& process));
void RunProcessExitHooks(ThreadGroup& process);

}  // namespace runsc
