// An engine without guest code: tests say which call or fault comes next. Guest memory is a map of pages.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "platform/platform.h"

namespace runsc {

// A guest thread as its test sees it. Shared by the context, which serves the sentry, and the test.
class FakeThread {
 public:
  explicit FakeThread(const ThreadStart& start) : regs_(start.regs), fp_(start.fp_state), mask_(start.signal_mask) {
    if (fp_.empty()) fp_.resize(kFpSize);
  }

  static constexpr size_t kFpSize = 512 + 64 + 256;  // legacy area, header, AVX

  // Makes the call and waits until the guest would run again. rax then; nullopt: the thread is gone.
  std::optional<int64_t> Call(uint64_t number, std::initializer_list<uint64_t> args) {
    Post(number, args);
    return Await();
  }
  // Makes the call without waiting: it may block.
  void Post(uint64_t number, std::initializer_list<uint64_t> args) {
    std::unique_lock<std::mutex> l(mu_);
    AwaitIdle(l);
    Event event{Event::kSyscall, false, {number, {}}, {}};
    std::copy(args.begin(), args.end(), event.syscall.args);
    regs_.rax = number;
    regs_.rip += 2;
    Deliver(event);
  }
  std::optional<int64_t> Fault(const FaultInfo& fault) {
    {
      std::unique_lock<std::mutex> l(mu_);
      AwaitIdle(l);
      Deliver(Event{Event::kFault, false, {}, fault});
    }
    return Await();
  }
  std::optional<int64_t> Await() {
    std::unique_lock<std::mutex> l(mu_);
    AwaitIdle(l);
    if (gone_) return std::nullopt;
    return static_cast<int64_t>(regs_.rax);
  }
  // Whether a posted call still blocks after `ms`.
  bool IsBusyFor(int ms) {
    std::unique_lock<std::mutex> l(mu_);
    return !changed_.wait_for(l, std::chrono::milliseconds(ms), [this] { return idle_ || gone_; });
  }
  Registers regs() {
    std::lock_guard<std::mutex> l(mu_);
    return regs_;
  }
  void set_regs(const Registers& regs) {
    std::lock_guard<std::mutex> l(mu_);
    regs_ = regs;
  }
  std::vector<std::byte> fp() {
    std::lock_guard<std::mutex> l(mu_);
    return fp_;
  }

 private:
  friend class FakeContext;
  void AwaitIdle(std::unique_lock<std::mutex>& l) {
    changed_.wait(l, [this] { return idle_ || gone_; });
  }
  void Deliver(const Event& event) {
    next_ = event;
    idle_ = false;
    changed_.notify_all();
  }

  std::mutex mu_;
  std::condition_variable changed_;
  std::optional<Event> next_;
  bool idle_ = false;  // inside Run, with nothing to report
  bool interrupted_ = false, killed_ = false, gone_ = false;
  Registers regs_;
  std::vector<std::byte> fp_;
  uint64_t mask_, pending_ = 0;
};

class FakeContext : public Context {
 public:
  explicit FakeContext(std::shared_ptr<FakeThread> thread) : thread_(std::move(thread)) {}
  ~FakeContext() override { Exit(); }

  Event Run() override {
    std::unique_lock<std::mutex> l(thread_->mu_);
    thread_->idle_ = !thread_->interrupted_ && !thread_->killed_;
    thread_->changed_.notify_all();
    thread_->changed_.wait(l, [this] { return thread_->next_ || thread_->interrupted_ || thread_->killed_; });
    thread_->idle_ = false;
    if (thread_->killed_) return Event{Event::kKilled, false, {}, {}};
    if (thread_->next_) return *std::exchange(thread_->next_, std::nullopt);
    thread_->interrupted_ = false;
    return Event{Event::kInterrupted, false, {}, {}};
  }
  void SetSyscallResult(int64_t rax) override {
    Edit([&](FakeThread& t) { t.regs_.rax = static_cast<uint64_t>(rax); });
  }
  // Nothing runs natively here.
  void SubmitNative(const SyscallRequest&, bool) override { SetSyscallResult(-ENOSYS); }
  const Registers& ReadRegisters() override {
    Edit([&](FakeThread& t) { copy_ = t.regs_; });
    return copy_;
  }
  void WriteRegisters(const Registers& regs) override {
    Edit([&](FakeThread& t) { t.regs_ = regs; });
  }
  std::span<const std::byte> ReadFpState() override {
    Edit([&](FakeThread& t) { fp_copy_ = t.fp_; });
    return fp_copy_;
  }
  void WriteFpState(std::span<const std::byte> xsave) override {
    Edit([&](FakeThread& t) { t.fp_.assign(xsave.begin(), xsave.end()); });
  }
  void Interrupt() override {
    Edit([](FakeThread& t) { t.interrupted_ = true, t.changed_.notify_all(); });
  }
  void SetIdentity(const ThreadIdentity&) override {}
  uint64_t SignalMask() const override {
    std::lock_guard<std::mutex> l(thread_->mu_);
    return thread_->mask_;
  }
  void SetSignalMask(uint64_t mask) override {
    Edit([&](FakeThread& t) { t.mask_ = mask; });
  }
  void SetPendingSignals(uint64_t pending) override {
    Edit([&](FakeThread& t) { t.pending_ = pending; });
  }
  void SetClearChildTid(GuestAddr) override {}
  GuestAddr RobustList() const override { return 0; }  // this engine keeps none
  void SetRobustList(GuestAddr) override {}
  void SetForwarded(const CallSet&) override {}
  void ShowOriginalCode(bool) override {}
  std::span<const std::byte> StagedInput(GuestAddr, size_t) override { return {}; }
  std::byte* StagedOutput(GuestAddr, size_t) override { return nullptr; }
  void Exit() override {
    Edit([](FakeThread& t) { t.gone_ = true, t.changed_.notify_all(); });
  }
  uint64_t CpuTimeNs() override { return 0; }
  bool Sleeps() override { return false; }
  pid_t host_tid() const override { return 0; }
  void Kill() {
    Edit([](FakeThread& t) { t.killed_ = true, t.changed_.notify_all(); });
  }

 private:
  template <typename Change>
  void Edit(Change change) {
    std::lock_guard<std::mutex> l(thread_->mu_);
    change(*thread_);
  }

  const std::shared_ptr<FakeThread> thread_;
  Registers copy_{};
  std::vector<std::byte> fp_copy_;
};

class FakePlatform;

class FakeAddressSpace : public AddressSpace {
 public:
  FakeAddressSpace(FakePlatform& platform, pid_t host_pid) : platform_(platform), host_pid_(host_pid) {}

  Result<Forked> Fork(Context& parent, const ThreadStart& start) override;
  Result<std::unique_ptr<Context>> NewContext(const ThreadStart& start) override;
  Result<void> Apply(std::span<const MapOp> ops, std::vector<uint64_t>* results) override {
    std::lock_guard<std::mutex> l(mu_);
    for (const MapOp& op : ops) {
      const uint64_t addr = TRY(ApplyOne(op));
      if (results != nullptr) results->push_back(addr);
    }
    return {};
  }
  Result<void> Replace(std::span<const MapOp> ops, const HostLook&) override {
    {
      std::lock_guard<std::mutex> l(mu_);
      pages_.clear();
    }
    return Apply(ops, nullptr);
  }
  size_t CopyIn(GuestAddr addr, void* dst, size_t size) override {
    return Walk(addr, size, [&](std::byte* page, size_t done, size_t n) {
      std::memcpy(static_cast<std::byte*>(dst) + done, page, n);
    });
  }
  size_t CopyOut(GuestAddr addr, const void* src, size_t size) override {
    return Walk(addr, size, [&](std::byte* page, size_t done, size_t n) {
      std::memcpy(page, static_cast<const std::byte*>(src) + done, n);
    });
  }
  Result<int64_t> FutexWake(GuestAddr, uint32_t, bool) override { return int64_t{0}; }  // nobody waits in the engine
  Result<size_t> ReadFromHost(int host_fd, int64_t offset, std::span<const iovec> guest) override {
    return Transfer(guest, [&](std::byte* buffer, size_t done, const iovec& v) -> Result<ssize_t> {
      const ssize_t n = pread(host_fd, buffer, v.iov_len, offset + static_cast<int64_t>(done));
      return n <= 0 ? FromHost(n) : static_cast<ssize_t>(CopyOut(AddrOf(v), buffer, static_cast<size_t>(n)));
    });
  }
  Result<size_t> WriteToHost(int host_fd, int64_t offset, std::span<const iovec> guest) override {
    return Transfer(guest, [&](std::byte* buffer, size_t done, const iovec& v) -> Result<ssize_t> {
      const size_t n = CopyIn(AddrOf(v), buffer, v.iov_len);
      return n == 0 ? Errno(EFAULT) : FromHost(pwrite(host_fd, buffer, n, offset + static_cast<int64_t>(done)));
    });
  }
  void Kill() override {}  // contexts go with their tasks
  Result<std::string> ReadHostProc(const char*) override { return Errno(ENOENT); }
  pid_t host_pid() const override { return host_pid_; }

 private:
  static constexpr uint64_t kPage = 4096;
  static constexpr uint64_t kMaxPages = 1 << 16;  // untouched pages of a mapping cost nothing on a host, but here
  using Page = std::array<std::byte, kPage>;

  Result<uint64_t> ApplyOne(const MapOp& op);
  Result<uint64_t> Map(const MapOp& op);
  bool IsMapped(uint64_t page) const {
    return std::any_of(ranges_.begin(), ranges_.end(),
                       [page](const auto& range) { return range.first <= page && page < range.second; });
  }
  static GuestAddr AddrOf(const iovec& v) { return reinterpret_cast<GuestAddr>(v.iov_base); }
  template <typename Use>
  size_t Walk(GuestAddr addr, size_t size, Use use) {
    std::lock_guard<std::mutex> l(mu_);
    size_t done = 0;
    while (done < size) {
      const uint64_t at = addr + done, page = at & ~(kPage - 1);
      if (!IsMapped(page)) break;
      const size_t n = std::min<size_t>(size - done, page + kPage - at);
      use(pages_[page].data() + (at - page), done, n);
      done += n;
    }
    return done;
  }
  template <typename Move>
  static Result<size_t> Transfer(std::span<const iovec> guest, Move move) {
    size_t done = 0;
    for (const iovec& v : guest) {
      std::vector<std::byte> buffer(v.iov_len);
      const Result<ssize_t> n = move(buffer.data(), done, v);
      if (!n.ok()) return done > 0 ? Result<size_t>(done) : n.error();
      done += static_cast<size_t>(*n);
      if (static_cast<size_t>(*n) < v.iov_len) break;
    }
    return done;
  }

  FakePlatform& platform_;
  const pid_t host_pid_;
  std::mutex mu_;
  std::map<uint64_t, Page> pages_;                     // touched ones
  std::vector<std::pair<uint64_t, uint64_t>> ranges_;  // mapped ones
  uint64_t next_free_ = 0x10000000;
};

class FakePlatform : public Platform {
 public:
  absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() override { return Make(); }
  absl::StatusOr<std::unique_ptr<AddressSpaceFamily>> NewFamily() override {
    return absl::UnimplementedError("no families");
  }
  const Layout& layout() const override { return layout_; }
  // The guest thread `tid` (waits for it).
  std::shared_ptr<FakeThread> thread(int32_t tid) {
    std::unique_lock<std::mutex> l(mu_);
    started_.wait(l, [&] { return threads_.count(tid) > 0; });
    return threads_[tid];
  }

 private:
  friend class FakeAddressSpace;
  std::unique_ptr<FakeAddressSpace> Make() {
    std::lock_guard<std::mutex> l(mu_);
    return std::make_unique<FakeAddressSpace>(*this, next_pid_++);
  }
  std::unique_ptr<Context> Start(const ThreadStart& start) {
    auto thread = std::make_shared<FakeThread>(start);
    std::lock_guard<std::mutex> l(mu_);
    threads_[start.tid] = thread;
    started_.notify_all();
    return std::make_unique<FakeContext>(std::move(thread));
  }

  const Layout layout_{0x10000, uint64_t{1} << 46, 0, FakeThread::kFpSize};
  std::mutex mu_;
  std::condition_variable started_;
  std::map<int32_t, std::shared_ptr<FakeThread>> threads_;
  pid_t next_pid_ = 100000;
};

inline Result<uint64_t> FakeAddressSpace::Map(const MapOp& op) {
  const uint64_t length = (op.length + kPage - 1) & ~(kPage - 1);
  uint64_t addr = op.addr;
  if (!(op.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) addr = std::exchange(next_free_, next_free_ + length + kPage);
  if ((op.flags & MAP_FIXED_NOREPLACE) && IsMapped(addr)) return Errno(EEXIST);
  pages_.erase(pages_.lower_bound(addr), pages_.lower_bound(addr + length));
  ranges_.emplace_back(addr, addr + length);
  for (uint64_t at = 0; op.host_fd >= 0 && at < std::min(length, kMaxPages * kPage); at += kPage) {
    (void)!pread(op.host_fd, pages_[addr + at].data(), kPage, static_cast<off_t>(op.offset + at));
  }
  return addr;
}

inline Result<uint64_t> FakeAddressSpace::ApplyOne(const MapOp& op) {
  switch (op.kind) {
    case MapOp::kMap:
    case MapOp::kReserve:
      return Map(op);
    case MapOp::kUnmap: {
      const uint64_t end = op.addr + op.length;
      pages_.erase(pages_.lower_bound(op.addr), pages_.lower_bound(end));
      std::vector<std::pair<uint64_t, uint64_t>> kept;
      for (const auto& [from, to] : ranges_) {
        if (from < op.addr) kept.emplace_back(from, std::min(to, op.addr));
        if (to > end) kept.emplace_back(std::max(from, end), to);
      }
      ranges_ = std::move(kept);
      return uint64_t{0};
    }
    default:
      return Errno(ENOSYS);
  }
}

inline Result<std::unique_ptr<Context>> FakeAddressSpace::NewContext(const ThreadStart& start) {
  return platform_.Start(start);
}

inline Result<AddressSpace::Forked> FakeAddressSpace::Fork(Context&, const ThreadStart& start) {
  auto copy = platform_.Make();
  {
    std::lock_guard<std::mutex> l(mu_);
    copy->pages_ = pages_;
    copy->ranges_ = ranges_;
    copy->next_free_ = next_free_;
  }
  Forked forked;
  forked.address_space = std::move(copy);
  forked.context = platform_.Start(start);
  return forked;
}

}  // namespace runsc
