// The latency of a server that is not busy: a client sends a byte each 500 us and waits for the answer, over
// loopback TCP, a unix socket and a pipe, to another process. One line "NAME NANOSECONDS" per percentile.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bench/checked.h"

namespace {

constexpr int kRequests = 3000;
constexpr int64_t kPaceNs = 500'000;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

void SleepUntil(int64_t when) {
  const timespec at{when / 1'000'000'000, when % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

// Where each side reads and writes.
struct Link {
  int client_in, client_out, server_in, server_out;
};

void Echo(const Link& link) {
  char byte;
  while (read(link.server_in, &byte, 1) == 1) CHECKED(write(link.server_out, &byte, 1) == 1);
  _exit(0);
}

std::vector<int64_t> Ask(const Link& link) {
  std::vector<int64_t> latencies;
  int64_t next = Now();
  for (int i = 0; i < kRequests; ++i) {
    SleepUntil(next += kPaceNs);
    char byte = static_cast<char>(i);
    const int64_t start = Now();
    CHECKED(write(link.client_out, &byte, 1) == 1);
    CHECKED(read(link.client_in, &byte, 1) == 1 && byte == static_cast<char>(i));
    latencies.push_back(Now() - start);
  }
  return latencies;
}

void Run(const char* name, const Link& link) {
  const pid_t server = fork();
  CHECKED(server >= 0);
  if (server == 0) Echo(link);
  std::vector<int64_t> latencies = Ask(link);
  CHECKED(kill(server, SIGKILL) == 0 && waitpid(server, nullptr, 0) == server);
  std::sort(latencies.begin(), latencies.end());
  for (const int percent : {50, 99}) {
    printf("%s-p%d %ld\n", name, percent, static_cast<long>(latencies[kRequests * percent / 100]));
  }
  fflush(stdout);
}

Link TcpLink() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  CHECKED(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener, 1) == 0);
  CHECKED(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  CHECKED(connect(client, reinterpret_cast<sockaddr*>(&address), size) == 0);
  const int server = accept(listener, nullptr, nullptr);
  CHECKED(server >= 0);
  for (const int fd : {client, server}) CHECKED(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
  return {client, client, server, server};
}

Link UnixLink() {
  int fds[2];
  CHECKED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  return {fds[0], fds[0], fds[1], fds[1]};
}

Link PipeLink() {
  int there[2], back[2];
  CHECKED(pipe(there) == 0 && pipe(back) == 0);
  return {back[0], there[1], there[0], back[1]};
}

}  // namespace

int main() {
  Run("tcp", TcpLink());
  Run("unix", UnixLink());
  Run("pipe", PipeLink());
  return 0;
}
