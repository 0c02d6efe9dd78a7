// splice, tee, vmsplice.

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/guest/harness.h"
#include "tests/guest/pipe.h"

using namespace guest;

namespace {

constexpr uint32_t kNumbers = 40000;
constexpr int kSplicers = 3;

void SpliceToFile(int from, const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  while (splice(from, nullptr, fd, nullptr, 400, 0) > 0) {
  }
  close(fd);
}

}  // namespace

TEST(SpliceTeeVmsplice) {
  Pipe a, b;
  EXPECT_EQ(write(a.writer(), "data", 4), 4);
  const ssize_t teed = tee(a.reader(), b.writer(), 100, 0);
  if (teed < 0 && errno == ENOSYS) Skip("tee is not served");
  EXPECT_EQ(teed, 4);
  EXPECT_EQ(splice(a.reader(), nullptr, b.writer(), nullptr, 100, 0), 4);
  char buffer[10];
  EXPECT_EQ(read(b.reader(), buffer, 10), 8);
  EXPECT_ERRNO(splice(a.reader(), nullptr, a.writer(), nullptr, 1, 0), EINVAL);
}

// A stream of numbers, of which several readers take parts: none is lost, none comes twice.
TEST(ConcurrentSplicesLoseNothing) {
  TempDir();
  Pipe numbers;
  std::vector<std::string> paths;
  for (int i = 0; i < kSplicers; ++i) paths.push_back("part" + std::to_string(i));
  std::vector<std::thread> threads;
  for (const auto& path : paths) threads.emplace_back(SpliceToFile, numbers.reader(), path.c_str());
  for (uint32_t i = 0; i < kNumbers; i += 100) {
    uint32_t block[100];
    for (uint32_t k = 0; k < 100; ++k) block[k] = i + k;
    ASSERT(write(numbers.writer(), block, sizeof(block)) == sizeof(block));
  }
  close(numbers.writer());
  for (auto& thread : threads) thread.join();
  std::vector<int> seen(kNumbers);
  for (const auto& path : paths) {
    const std::string bytes = ReadAll(path.c_str());
    for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
      uint32_t number;
      memcpy(&number, bytes.data() + at, 4);
      ASSERT(number < kNumbers);
      ++seen[number];
    }
  }
  for (const int count : seen) ASSERT(count == 1);
}

TEST(SpliceKeepsTheRestOfAPacket) {
  Pipe packets(O_DIRECT), out;
  EXPECT_EQ(write(packets.writer(), "0123456789", 10), 10);
  EXPECT_EQ(splice(packets.reader(), nullptr, out.writer(), nullptr, 4, 0), 4);
  char rest[16];
  EXPECT_EQ(read(packets.reader(), rest, sizeof(rest)), 6);
}

TEST(SpliceMovesTheOffsetItUsed) {
  TempDir();
  const int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  EXPECT_EQ(write(fd, "abcdefgh", 8), 8);
  Pipe pipe;
  lseek(fd, 2, SEEK_SET);
  EXPECT_EQ(splice(fd, nullptr, pipe.writer(), nullptr, 3, 0), 3);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 5);
  loff_t at = 6;
  EXPECT_EQ(splice(fd, &at, pipe.writer(), nullptr, 100, 0), 2);
  EXPECT_EQ(at, 8);
  EXPECT_EQ(splice(fd, &at, pipe.writer(), nullptr, 100, 0), 0);
  at = 1;
  EXPECT_EQ(splice(pipe.reader(), nullptr, fd, &at, 100, 0), 5);
  EXPECT_EQ(at, 6);
  char now[9] = {};
  EXPECT_EQ(pread(fd, now, 8, 0), 8);
  EXPECT_EQ(std::string(now), "acdeghgh");
}

// An empty pipe and a full one: which end is waited for changes.
TEST(SpliceWaitsForBothEnds) {
  Pipe in, out(O_NONBLOCK);
  size_t queued = 0;
  while (write(out.writer(), "x", 1) == 1) ++queued;
  fcntl(out.writer(), F_SETFL, 0);
  EXPECT_ERRNO(splice(in.reader(), nullptr, out.writer(), nullptr, 3, SPLICE_F_NONBLOCK), EAGAIN);
  std::thread mover([&] { EXPECT_EQ(splice(in.reader(), nullptr, out.writer(), nullptr, 3, 0), 3); });
  SleepMs(20);
  EXPECT_EQ(write(in.writer(), "abc", 3), 3);
  SleepMs(20);
  fcntl(out.reader(), F_SETFL, 0);
  std::string got;
  char part[4096];
  while (got.size() < queued + 3) got.append(part, read(out.reader(), part, sizeof(part)));
  mover.join();
  EXPECT_EQ(got.substr(queued), "abc");
}
