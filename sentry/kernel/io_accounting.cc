#include "sentry/kernel/io_accounting.h"

#include "sentry/kernel/run_state.h"

namespace runsc {

IoTotals& IoTotals::operator+=(const IoTotals& other) {
  bytes_read += other.bytes_read;
  bytes_written += other.bytes_written;
  reads += other.reads;
  writes += other.writes;
  return *this;
}

IoTotals IoCounters::totals() const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  return {bytes_read_.load(kRelaxed), bytes_written_.load(kRelaxed), reads_.load(kRelaxed), writes_.load(kRelaxed)};
}

void CountRead(Task& task, uint64_t bytes) { task.run().io.CountRead(bytes); }
void CountWrite(Task& task, uint64_t bytes) { task.run().io.CountWrite(bytes); }

}  // namespace runsc
