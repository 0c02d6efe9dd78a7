// Host threads kept for the next task: waking one costs a third of making one.
#include <atomic>
#include <mutex>
#include <vector>

#include "sentry/kernel/deadline.h"
#include "sentry/kernel/host_thread.h"

namespace runsc {
namespace {

constexpr size_t kMaxIdle = 8;

struct Job {
  void (*run)(void*);
  void* arg;
};

struct Worker {
  Job job;
  std::atomic<uint32_t> has_job{1};
};

class Pool {
 public:
  // Gives the job to an idle worker; false if there is none.
  bool Hand(Job job) {
    Worker* worker;
    {
      std::lock_guard<std::mutex> l(mu_);
      if (idle_.empty()) return false;
      worker = idle_.back();
      idle_.pop_back();
    }
    worker->job = job;
    worker->has_job.store(1, std::memory_order_release);
    FutexWakeHost(&worker->has_job, 1);
    return true;
  }

  // Waits for the next job; false if enough others do.
  bool Wait(Worker& self) {
    self.has_job.store(0, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> l(mu_);
      if (idle_.size() >= kMaxIdle) return false;
      idle_.push_back(&self);
    }
    while (self.has_job.load(std::memory_order_acquire) == 0) FutexWaitHost(&self.has_job, 0, kNever);
    return true;
  }

 private:
  std::mutex mu_;
  std::vector<Worker*> idle_;  // the last to come is the first to go: its stack is warm
};

Pool& ThePool() {
  static Pool* const pool = new Pool;  // never destroyed: workers wait on it until the process ends
  return *pool;
}

void WorkerMain(void* raw) {
  Worker self{*static_cast<Job*>(raw)};
  delete static_cast<Job*>(raw);
  do {
    self.job.run(self.job.arg);
  } while (ThePool().Wait(self));
}

}  // namespace

bool RunOnPooledThread(const char* name, size_t stack_size, void (*run)(void*), void* arg) {
  if (ThePool().Hand({run, arg})) return true;
  Job* job = new Job{run, arg};
  if (StartDetachedThread(name, stack_size, &WorkerMain, job)) return true;
  delete job;
  return false;
}

}  // namespace runsc
