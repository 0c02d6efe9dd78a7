#include "runsc-cli/boot/console.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "platform/host/status_util.h"
#include "runsc-cli/boot/runtime_access.h"
#include "sentry/fs/devpts.h"
#include "sentry/fs/host_notifier.h"
#include "sentry/fs/tty_file.h"
#include "sentry/fs/tty_session.h"
#include "sentry/kernel/deadline.h"
#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

namespace runsc {
namespace {

constexpr size_t kChunk = 4096;
// After POLLOUT a terminal has room for this much.
constexpr size_t kSafeWrite = 512;

// Of a container without one: an instance that nobody sees.
RefPtr<Devpts> DevptsOf(Task& task) {
  const Resolver resolver = RuntimeResolver(task);
  const auto path = task.vfs().Lookup(resolver, resolver.root, "/dev/pts", 0);
  Devpts* const mounted = path.ok() ? Devpts::From(*path->mount->fs()) : nullptr;
  return mounted != nullptr ? RefPtr<Devpts>(mounted) : Devpts::New({});
}

}  // namespace

// Wakes the console's thread when either terminal has news.
class Console::Wakeup {
 public:
  // On one queue: a waiter is on no other.
  class Ear : public Waiter {
   public:
    explicit Ear(Wakeup& wakeup) : Waiter(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP), wakeup_(wakeup) {}
    void OnNotify(EventMask) override { wakeup_.Wake(); }

   private:
    Wakeup& wakeup_;
  };

  void Wake() {
    if (state_.exchange(kNews) == kAsleep) FutexWakeHost(&state_, 1);
  }
  // Until Wake(), which may have come since the last call.
  void Await() {
    unsigned quiet = kQuiet;
    if (state_.compare_exchange_strong(quiet, kAsleep)) {
      while (state_.load() == kAsleep) FutexWaitHost(&state_, kAsleep, kNever);
    }
    state_ = kQuiet;
  }

 private:
  enum : unsigned { kQuiet, kAsleep, kNews };
  std::atomic<unsigned> state_{kQuiet};
};

absl::StatusOr<std::shared_ptr<Console>> Console::Open(Task& task, UniqueFd host, uid_t owner) {
  Kernel& kernel = task.kernel();
  Result<RefPtr<Tty>> tty = DevptsOf(task)->NewPty(kernel, owner, 0);
  if (!tty.ok()) return HostError(tty.error().value(), "terminal");
  (*tty)->locked = false;
  std::shared_ptr<Console> console(new Console(kernel, std::move(host), std::move(tty).take()));
  console->Resize();
  return console;
}

// Also one that never started: devpts knows its terminals only by where they are.
Console::~Console() { RemovePty(*tty_); }

RefPtr<File> Console::OpenStdio(Task& task) {
  const Path path = Slave(task);
  auto file = path ? path.dentry->inode()->Open(task, path, O_RDWR | O_NOCTTY) : Errno(ENOENT);
  if (file.ok()) return std::move(file).take();
  return MakeRef<TtySlaveFile>(tty_, Path(), O_RDWR);  // no devpts in this container
}

Path Console::Slave(Task& task) const {
  const Resolver resolver = RuntimeResolver(task);
  const auto path = task.vfs().Lookup(resolver, resolver.root, name(), 0);
  return path.ok() && path->mount->fs().get() == &tty_->devpts() ? *path : Path();
}

void Console::MountOnDevConsole(Task& task) {
  const Resolver resolver = RuntimeResolver(task);
  const Path source = Slave(task);
  if (!source) return;
  auto target = task.vfs().Lookup(resolver, resolver.root, "/dev/console", 0);
  if (!target.ok()) {
    if (!task.vfs().Mknod(resolver, resolver.root, "/dev/console", S_IFREG | 0600, 0).ok()) return;
    target = task.vfs().Lookup(resolver, resolver.root, "/dev/console", 0);
  }
  if (target.ok()) (void)task.vfs().BindMount(source, *target, 0);
}

bool Console::Start() {
  auto* self = new std::shared_ptr<Console>(shared_from_this());
  if (StartDetachedThread("console", kTaskStackSize, &ThreadMain, self)) return true;
  delete self;
  return false;
}

void Console::ThreadMain(void* raw) {
  std::unique_ptr<std::shared_ptr<Console>> self(static_cast<std::shared_ptr<Console>*>(raw));
  (*self)->Pump();
}

void Console::Resize() {
  winsize size;
  std::lock_guard<std::mutex> lock(mu_);
  if (ended_ || ioctl(host_.get(), TIOCGWINSZ, &size) != 0) return;
  if (tty_->SetWindow(size)) SignalForeground(kernel_, *tty_, SIGWINCH);
}

// To who reads slowly, but not to who has stopped reading.
void Console::Drain() {
  constexpr int kPatienceMs = 1000;
  std::lock_guard<std::mutex> lock(mu_);
  for (int waited = 0; waited < kPatienceMs; ++waited) {
    while (MoveOutput()) waited = 0;
    if (printed_.empty() || ended_) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Console::Pump() {
  Wakeup wakeup;
  Wakeup::Ear sandbox_ear(wakeup), host_ear(wakeup);
  tty_->master_queue().Add(sandbox_ear);
  host_queue_.Add(host_ear);
  const bool watched = HostNotifier::Get().Watch(host_.get(), host_queue_).ok();
  for (bool ended = !watched; !ended;) {
    bool moved;
    {
      std::lock_guard<std::mutex> lock(mu_);
      moved = MoveOutput();
      moved |= MoveInput();
      ended = ended_;
    }
    if (!moved && !ended) wakeup.Await();
  }
  if (watched) HostNotifier::Get().Unwatch(host_.get());
  tty_->master_queue().Remove(sandbox_ear);
  host_queue_.Remove(host_ear);
  HangUp();
}

bool Console::MoveInput() {
  if (ended_) return false;
  if (typed_.empty()) {
    const size_t room = std::min(kChunk, tty_->InputRoom());
    const EventMask ready = HostReadiness(host_.get(), POLLIN);
    if ((ready & (POLLHUP | POLLERR)) && !(ready & POLLIN)) ended_ = true;
    if (ended_ || room == 0 || !(ready & POLLIN)) return false;
    typed_.resize(room);
    const ssize_t n = read(host_.get(), typed_.data(), typed_.size());
    typed_.resize(n > 0 ? static_cast<size_t>(n) : 0);
    if (n <= 0) ended_ = true;
  }
  const auto typed = tty_->Input(typed_);
  if (!typed.ok()) return false;
  typed_.erase(0, typed->taken);
  for (const int signo : typed->signals) SignalForeground(kernel_, *tty_, signo);
  return typed->taken > 0;
}

bool Console::MoveOutput() {
  if (ended_) return false;
  if (printed_.empty()) {
    printed_.resize(kChunk);
    BufferSink sink(std::as_writable_bytes(std::span(printed_)));
    const auto taken = tty_->TakeOutput(sink);
    printed_.resize(taken.ok() ? *taken : 0);
    if (!taken.ok() && taken.error() == Errno(EIO)) ended_ = true;  // nobody has the terminal open any more
    if (printed_.empty()) return false;
  }
  const EventMask ready = HostReadiness(host_.get(), POLLOUT);
  if (!(ready & POLLOUT)) return false;
  const ssize_t n = write(host_.get(), printed_.data(), std::min(printed_.size(), kSafeWrite));
  if (n > 0) printed_.erase(0, static_cast<size_t>(n));
  if (n < 0 && errno != EAGAIN) ended_ = true;
  return n > 0;
}

void Console::HangUp() {
  std::lock_guard<std::mutex> lock(mu_);
  ended_ = true;
  host_.reset();
  tty_->HangUp();
  RemovePty(*tty_);
  HangUpTerminal(kernel_, *tty_);
}

}  // namespace runsc
