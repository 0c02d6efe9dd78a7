// How much tasks read and wrote by calls, for /proc/PID/io (proc_pid_io(5)).
#pragma once

#include <atomic>
#include <cstdint>

namespace runsc {

class Task;

struct IoTotals {
  uint64_t bytes_read = 0, bytes_written = 0;  // whatever the file is: caches and pipes count
  uint64_t reads = 0, writes = 0;              // calls
  IoTotals& operator+=(const IoTotals& other);
};

// One task's: it counts, anybody looks.
class IoCounters {
 public:
  void CountRead(uint64_t bytes) { Count(bytes_read_, bytes), Count(reads_, 1); }
  void CountWrite(uint64_t bytes, uint64_t calls = 1) { Count(bytes_written_, bytes), Count(writes_, calls); }
  IoTotals totals() const;

 private:
  // Only one thread counts: no locked instruction is needed.
  static void Count(std::atomic<uint64_t>& counter, uint64_t more) {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  std::atomic<uint64_t> bytes_read_{0}, bytes_written_{0}, reads_{0}, writes_{0};
};

// A call of the task's own moved that much; 0 if it failed.
void CountRead(Task& task, uint64_t bytes);
void CountWrite(Task& task, uint64_t bytes);

}  // namespace runsc
