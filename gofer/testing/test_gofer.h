// A gofer in a thread of the test, over a temporary tree. For tests only.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gofer/client.h"
#include "gofer/server/server.h"

namespace runsc {

// A directory below /tmp that goes away with the object.
class TempTree {
 public:
  TempTree() {
    char name[] = "/tmp/gofer-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempTree() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    UniqueFd fd(open((*this / name).c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
    if (write(fd.get(), text.data(), text.size()) < 0) abort();
  }
  UniqueFd Open() const { return UniqueFd(open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); }

 private:
  std::string path_;
};

inline std::pair<UniqueFd, UniqueFd> SeqpacketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) abort();
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

inline UniqueFd OpenProcSelfFd() { return UniqueFd(open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC)); }

// Attach points 0: read-write, 1: the same tree read-only, 2: read-only but OpenTmp allowed.
class TestGofer {
 public:
  explicit TestGofer(const TempTree& tree, size_t connections = 2, size_t max_handles = 200) {
    GoferServerOptions options;
    std::vector<UniqueFd> channels;
    for (size_t i = 0; i < connections; i++) {
      auto [client, server] = SeqpacketPair();
      channels.push_back(std::move(client));
      options.connections.push_back(std::move(server));
    }
    options.attach_points.push_back({tree.Open(), false, true});
    options.attach_points.push_back({tree.Open(), true, false});
    options.attach_points.push_back({tree.Open(), true, true});
    options.proc_self_fd = OpenProcSelfFd();
    options.max_handles = max_handles;
    client_ = std::make_unique<GoferClient>(std::move(channels));
    server_ = std::thread([o = std::move(options)]() mutable { RunGoferServer(std::move(o)); });
  }
  ~TestGofer() {
    client_.reset();
    server_.join();
  }
  GoferClient& client() { return *client_; }

 private:
  std::unique_ptr<GoferClient> client_;
  std::thread server_;
};

}  // namespace runsc
