// The sandbox's ends of the sockets to monitors: signals come in, wait statuses go out.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "platform/base/unique_fd.h"

namespace runsc {

// One thread serves them all, so an idle monitor costs the sandbox a descriptor. Thread-safe.
class MonitorLinks {
 public:
  // Told of each signal its monitor was sent, and of the monitor's death by kGone. Called on the links' thread with no
  // lock held; must not take long.
  using OnSignal = std::function<void(int signo)>;
  static constexpr int kGone = 0;

  // Serves `fd` until Finish() or its monitor's death.
  uint64_t Add(UniqueFd fd, OnSignal on_signal);
  // The process of that link has ended: tells the monitor and hangs up.
  void Finish(uint64_t id, int wait_status);

 private:
  struct Link {
    UniqueFd fd;
    OnSignal on_signal;
  };

  void StartThreadLocked();
  void Serve();
  void Receive(uint64_t id);
  std::shared_ptr<Link> Find(uint64_t id);
  std::shared_ptr<Link> Remove(uint64_t id);

  std::mutex mu_;
  UniqueFd epoll_;  // made with the first link
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::shared_ptr<Link>> links_;
};

}  // namespace runsc
