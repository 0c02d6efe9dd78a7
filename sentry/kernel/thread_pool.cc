// Host threads kept for the next task.
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "sentry/kernel/deadline.h"
#include "sentry/kernel/host_thread.h"

namespace runsc {

struct PooledWorker {
  void (*run)(void*) = nullptr;  // null: a reservation that was not used
  void* arg = nullptr;
  std::atomic<uint32_t> has_job{0};
};

namespace {

constexpr size_t kMaxIdle = 8;

class Pool {
 public:
  // The last to come is the first to go: its stack is warm.
  PooledWorker* TakeIdle() {
    std::lock_guard<std::mutex> l(mu_);
    if (idle_.empty()) return nullptr;
    PooledWorker* const worker = idle_.back();
    idle_.pop_back();
    return worker;
  }

  // False if enough others wait for a job.
  bool Keep(PooledWorker& worker) {
    worker.has_job.store(0, std::memory_order_relaxed);
    std::lock_guard<std::mutex> l(mu_);
    if (idle_.size() >= kMaxIdle) return false;
    idle_.push_back(&worker);
    return true;
  }

 private:
  std::mutex mu_;
  std::vector<PooledWorker*> idle_;
};

Pool& ThePool() {
  static Pool* const pool = new Pool;  // never destroyed: workers wait on it until the process ends
  return *pool;
}

void WorkerMain(void* raw) {
  const std::unique_ptr<PooledWorker> self(static_cast<PooledWorker*>(raw));
  do {
    while (self->has_job.load(std::memory_order_acquire) == 0) FutexWaitHost(&self->has_job, 0, kNever);
    if (self->run != nullptr) self->run(self->arg);
  } while (ThePool().Keep(*self));
}

PooledWorker* NewWorker(const char* name, size_t stack_size) {
  auto worker = std::make_unique<PooledWorker>();
  return StartDetachedThread(name, stack_size, &WorkerMain, worker.get()) ? worker.release() : nullptr;
}

}  // namespace

ReservedThread::ReservedThread(const char* name, size_t stack_size) : worker_(ThePool().TakeIdle()) {
  if (worker_ == nullptr) worker_ = NewWorker(name, stack_size);
}

ReservedThread::~ReservedThread() {
  if (worker_ != nullptr) std::move(*this).Run(nullptr, nullptr);
}

void ReservedThread::Run(void (*run)(void*), void* arg) && {
  PooledWorker& worker = *std::exchange(worker_, nullptr);
  worker.run = run;
  worker.arg = arg;
  worker.has_job.store(1, std::memory_order_release);
  FutexWakeHost(&worker.has_job, 1);
}

}  // namespace runsc
