#include "runsc-cli/boot/monitor_links.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <thread>
#include <utility>

#include "runsc-cli/base/log.h"

namespace runsc {

void MonitorLinks::StartThreadLocked() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  std::thread([this] { Serve(); }).detach();
}

uint64_t MonitorLinks::Add(UniqueFd fd, OnSignal on_signal) {
  std::lock_guard<std::mutex> lock(mu_);
  if (!epoll_.valid()) StartThreadLocked();
  const uint64_t id = next_id_++;
  const int number = fd.get();
  links_[id] = std::make_shared<Link>(Link{std::move(fd), std::move(on_signal)});
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, number, &event) != 0) LogInfo("monitor: link not served: errno ", errno);
  return id;
}

std::shared_ptr<MonitorLinks::Link> MonitorLinks::Find(uint64_t id) {
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = links_.find(id);
  return it == links_.end() ? nullptr : it->second;
}

std::shared_ptr<MonitorLinks::Link> MonitorLinks::Remove(uint64_t id) {
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = links_.find(id);
  if (it == links_.end()) return nullptr;
  std::shared_ptr<Link> link = std::move(it->second);
  links_.erase(it);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link->fd.get(), nullptr);
  return link;
}

void MonitorLinks::Finish(uint64_t id, int wait_status) {
  const std::shared_ptr<Link> link = Remove(id);
  if (link == nullptr) return;
  iovec part{&wait_status, sizeof(wait_status)};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  (void)sendmsg(link->fd.get(), &packet, MSG_NOSIGNAL | MSG_DONTWAIT);  // the monitor may be gone
}

void MonitorLinks::Receive(uint64_t id) {
  const std::shared_ptr<Link> link = Find(id);
  if (link == nullptr) return;
  int32_t signo = 0;
  iovec part{&signo, sizeof(signo)};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  const ssize_t size = recvmsg(link->fd.get(), &packet, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const bool is_signal = size == sizeof(signo) && signo > 0;
  if (!is_signal && Remove(id) == nullptr) return;  // finished meanwhile
  link->on_signal(is_signal ? signo : kGone);
}

void MonitorLinks::Serve() {
  epoll_event events[16];
  for (;;) {
    const int n = epoll_wait(epoll_.get(), events, 16, -1);
    for (int i = 0; i < n; ++i) Receive(events[i].data.u64);
  }
}

}  // namespace runsc
