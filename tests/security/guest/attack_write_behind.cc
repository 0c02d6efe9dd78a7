// A guest that writes nonsense over what it shares with the sentry about its own writes to a pipe.
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include "tests/guest/harness.h"
#include "tests/guest/pipe.h"

using namespace guest;

namespace {

constexpr size_t kWords = 0xf0, kPageEnds = 0x200;  // ThreadPage::queue, ThreadPage::queue_ends

// The page of the engine that thunks reach through %gs; null where nothing is there.
uint8_t* ThreadPage() {
  constexpr unsigned long kFsGsBase = 1 << 1;
  if (!(getauxval(AT_HWCAP2) & kFsGsBase)) return nullptr;
  uint64_t base;
  __asm__ volatile("rdgsbase %0" : "=r"(base));
  return reinterpret_cast<uint8_t*>(base);
}

uint32_t Nonsense(unsigned* seed) {
  constexpr uint32_t kOpen = 1u << 31;
  const uint32_t values[] = {0,     kOpen,         ~0u,           kOpen | 4096, kOpen | 65536,
                             65536, kOpen | 65535, kOpen | 70000, kOpen - 1,    static_cast<uint32_t>(rand_r(seed))};
  return values[static_cast<size_t>(rand_r(seed)) % (sizeof(values) / sizeof(values[0]))];
}

// Which of the words, or page ends, is another one each time.
void Scribble(uint8_t* page, unsigned* seed) {
  if (page == nullptr) return;
  const uint32_t value = Nonsense(seed);
  const int where = rand_r(seed) % 20;
  if (where < 4) {
    if (where != 1) __atomic_store_n(reinterpret_cast<uint32_t*>(page + kWords) + where, value, __ATOMIC_RELAXED);
  } else {
    __atomic_store_n(reinterpret_cast<uint16_t*>(page + kPageEnds) + where - 4, static_cast<uint16_t>(value),
                     __ATOMIC_RELAXED);
  }
}

int WriteAndScribble(Pipe& pipe, uint8_t* page, unsigned seed) {
  char text[64] = "only the liar suffers";
  for (int i = 0; i < 5000; ++i) {
    (void)!write(pipe.writer(), text, 1 + static_cast<size_t>(rand_r(&seed)) % sizeof(text));
    if (i % 3 == 0) Scribble(page, &seed);
    if (i % 50 == 0) (void)poll(nullptr, 0, 0);
  }
  return 0;
}

}  // namespace

// What arrives does not matter, but the pipe ends and everybody else goes on.
TEST(NonsenseInTheQueue) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    Pipe pipe;
    const int child = ASSERT_OK(fork());
    if (child == 0) {
      close(pipe.reader());
      fcntl(pipe.writer(), F_SETFL, O_NONBLOCK);
      _exit(WriteAndScribble(pipe, ThreadPage(), seed));
    }
    close(pipe.writer());
    char buffer[5000];
    size_t total = 0;
    for (ssize_t n; (n = read(pipe.reader(), buffer, sizeof(buffer))) > 0;) total += static_cast<size_t>(n);
    EXPECT(total > 0);
    WaitStatus(child);
    close(pipe.reader());
  }
}
