// See engine.h.
#include "platform/stub/engine.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "platform/stub/futex_unsafe.h"
#include "platform/stub/spawn_unsafe.h"
#include "platform/stub/stub_filter.h"
#include "platform/stub/stub_image.h"

namespace runsc::stub {
namespace {

constexpr size_t kMaxThreads = 32768, kMaxProcesses = 32768;
constexpr uint64_t kGuestSpinUs = 60;  // what waking it may take, so that a trip to the gofer is spun over
constexpr uint32_t kPatchAfter = 15;   // rewriting a site costs as much as many traps: a short program would not gain

std::string ReadAll(int fd) {
  std::string text;
  char buffer[16384];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  return text;
}

struct HostRange {
  uint64_t begin, end;
  bool is_vdso;
};

// The kernel's own mappings in this process: [vvar], [vvar_vclock], [vdso].
std::vector<HostRange> FindVdso(const std::string& maps) {
  std::vector<HostRange> out;
  for (absl::string_view line : absl::StrSplit(maps, '\n')) {
    const bool is_vdso = absl::StrContains(line, "[vdso]");
    if (!is_vdso && !absl::StrContains(line, "[vvar")) continue;
    const std::vector<absl::string_view> range = absl::StrSplit(line.substr(0, line.find(' ')), '-');
    HostRange r{0, 0, is_vdso};
    if (range.size() == 2 && absl::SimpleHexAtoi(range[0], &r.begin) && absl::SimpleHexAtoi(range[1], &r.end)) {
      out.push_back(r);
    }
  }
  return out;
}

// Moving it to where it is says whether it may be moved.
bool IsSealed(const HostRange& range) {
  void* const at = reinterpret_cast<void*>(range.begin);
  const size_t size = range.end - range.begin;
  return mremap(at, size, size, 0) == MAP_FAILED;
}

// Where they go: the same distances from each other.
void PlanVdso(const std::vector<HostRange>& ranges, SpawnParams* params, GuestAddr* vdso_addr) {
  uint64_t base = STUB_TOP, end = 0;
  for (const HostRange& r : ranges) base = std::min(base, r.begin), end = std::max(end, r.end);
  if (std::any_of(ranges.begin(), ranges.end(), IsSealed)) {
    params->sealed_from = base, params->sealed_to = end;
    return;
  }
  for (const HostRange& r : ranges) {
    const uint64_t to = STUB_VDSO + (r.begin - base);
    params->vdso.push_back({r.begin, r.end - r.begin, to});
    if (r.is_vdso) *vdso_addr = to;
  }
}

absl::StatusOr<UniqueFd> MakeTextFile() {
  UniqueFd fd(memfd_create("stub", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const std::span<const std::byte> image = StubImage();
  if (!fd.valid() || write(fd.get(), image.data(), image.size()) != static_cast<ssize_t>(image.size()) ||
      ftruncate(fd.get(), STUB_TEXT_SIZE) != 0) {
    return absl::ErrnoToStatus(errno, "create the stub's text file");
  }
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return fd;
}

}  // namespace

Engine::Engine(const EngineOptions& options) : options_(options) {}

void Engine::Log(const char* line) const {
  if (options_.log) options_.log(absl::StrCat(options_.name, ": ", line).c_str());
}

Engine::~Engine() {
  first_.reset();
  KillAll();
  if (watcher_.joinable()) {
    const uint64_t one = 1;
    if (write(stop_.get(), &one, sizeof one) == sizeof one) watcher_.join();
  }
  decltype(watched_) rest;
  MutexLock lock(mu_);
  rest.swap(watched_);  // destroyed after the lock is given back
}

absl::Status Engine::Init() {
  features_ = ProbeHostFeatures();
  if (features_.xsave_size > SLOT_FP_SIZE) return absl::UnimplementedError("FP state of this CPU is too large");
  absl::Status status = resources_.slots.Init("slots", STUB_SLOT_SIZE, kMaxThreads, -1);
  if (status.ok()) status = resources_.commands.Init("commands", PROC_PAGES_SIZE, kMaxProcesses, options_.proc_fd);
  if (!status.ok()) return status;
  if (!resources_.commands.has_read_only_fd()) Log("no /proc; command pages are protected by the filter only");
  auto text = MakeTextFile();
  if (!text.ok()) return text.status();
  text_ = *std::move(text);
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  stop_.reset(eventfd(0, EFD_CLOEXEC));
  epoll_event event{.events = EPOLLIN, .data = {.fd = stop_.get()}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event) != 0) {
    return absl::ErrnoToStatus(errno, "watch for stub exits");
  }
  uint64_t drawn[2];
  if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn) return absl::ErrnoToStatus(errno, "draw the helper's secrets");
  secret_ = drawn[0] & ~0xfffULL;        // it also passes as mmap's offset, which must be whole pages
  tag_key_ = drawn[1] & 0x7fffffffffff;  // it lies where a stack pointer belongs
  resources_.tags.SetKeys(secret_, tag_key_);
  return absl::OkStatus();
}

absl::Status Engine::Start() {
  absl::Status status = Init();
  if (!status.ok()) return status;
  uint32_t ready = 0;
  watcher_ = std::thread([&] { WatcherMain(&status, &ready); });
  while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) == 0) FutexWait(&ready, 0);
  if (status.ok()) first_->StartPool();
  return status;
}

absl::Status Engine::SpawnFirst() {
  SpawnParams params;
  std::string maps;
  const UniqueFd file(options_.proc_fd >= 0 ? openat(options_.proc_fd, "self/maps", O_RDONLY | O_CLOEXEC)
                                            : open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  if (file.valid()) maps = ReadAll(file.get());
  layout_ = {GUEST_MIN_ADDR, GUEST_MAX_ADDR, 0, features_.xsave_size};
  PlanVdso(FindVdso(maps), &params, &layout_.vdso_addr);
  if (params.vdso.empty()) Log("the host's vDSO was not found or is sealed; clock calls go to the sentry");
  auto record = NewRecord();
  if (!record.ok()) return absl::ResourceExhaustedError("no command page for the first stub");
  params.text_fd = text_.get();
  params.commands_fd = resources_.commands.fd();
  params.commands_read_only_fd = resources_.commands.read_only_fd();
  params.command_offset = (*record)->command_offset();
  params.secret = secret_;
  params.tag_key = tag_key_;
  params.traced = options_.traced;
  params.filter = BuildStubFilter(secret_);
  const pid_t pid = SpawnTemplate(params);
  if (pid < 0) return absl::ErrnoToStatus(-pid, "fork the first stub");
  if (!(*record)->Adopt(pid, options_.traced) || !(*record)->alive() || !Watch(*record))
    return absl::ErrnoToStatus(errno, "watch the first stub");
  first_ = std::make_unique<StubFamily>(*this, std::move(record).take());
  return absl::OkStatus();
}

// Spawns the first stub itself: the host ends a stub when the thread that made it ends.
void Engine::WatcherMain(absl::Status* started, uint32_t* ready) {
  pthread_setname_np(pthread_self(), "stub-watcher");
  maker_ = {getpid(), gettid()};
  *started = SpawnFirst();
  const bool ok = started->ok();
  __atomic_store_n(ready, 1, __ATOMIC_RELEASE);
  FutexWakeAll(ready);
  while (ok) {
    epoll_event events[16];
    const int n = epoll_wait(epoll_.get(), events, 16, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd == stop_.get()) return;
      HandleExit(events[i].data.fd);
    }
  }
}

void Engine::HandleExit(int pidfd) {
  std::shared_ptr<StubProcess> process;
  {
    MutexLock lock(mu_);
    const auto it = watched_.find(pidfd);
    if (it == watched_.end()) return;
    process = std::move(it->second);
    watched_.erase(it);
  }
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, pidfd, nullptr);
  process->MarkDead();
  if (options_.on_stub_death != nullptr && !process->was_killed()) options_.on_stub_death(process->pid());
}

bool Engine::Watch(const std::shared_ptr<StubProcess>& process) {
  {
    MutexLock lock(mu_);
    watched_[process->pidfd()] = process;
  }
  epoll_event event{.events = EPOLLIN, .data = {.fd = process->pidfd()}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process->pidfd(), &event) == 0;
}

void Engine::KillAll() {
  MutexLock lock(mu_);
  for (auto& [fd, process] : watched_) process->Kill();
}

Result<std::shared_ptr<StubProcess>> Engine::NewRecord() {
  const uint32_t index = TRY(resources_.commands.Allocate());
  auto process = std::make_shared<StubProcess>(resources_, index);
  stub::InfoPage& info = process->helper().info();
  info.spin_cycles = options_.spin && features_.cpus > 1 ? kGuestSpinUs * features_.cycles_per_us : 0;
  info.patching = options_.patching && options_.proc_fd >= 0;
  info.patch_after = kPatchAfter;
  info.has_fsgsbase = features_.fsgsbase;
  info.xsave_size = static_cast<uint32_t>(features_.xsave_size);
  info.max_addr = info.reserved_from = GUEST_MAX_ADDR;
  return process;
}

Result<std::shared_ptr<StubProcess>> Engine::Fork(StubProcess& parent, std::span<const stub::HelperOp> first_batch) {
  std::shared_ptr<StubProcess> child = TRY(NewRecord());
  stub::InfoPage& info = child->helper().info();
  const stub::InfoPage& inherited = parent.helper().info();
  info.reserved_from = inherited.reserved_from;
  info.break_start = inherited.break_start;
  info.break_limit = inherited.break_limit;
  child->file_ranges().CopyFrom(parent.file_ranges());
  if (!first_batch.empty()) child->helper().Prepare(first_batch);
  const stub::HelperOp op{
      HELPER_FORK,
      {CLONE_PARENT | CLONE_FILES, 0, child->command_offset(),
       static_cast<uint64_t>(resources_.commands.read_only_fd()), static_cast<uint64_t>(resources_.commands.fd())},
      0};
  MutexLock lock(fork_mu_);
  const Result<void> adopted = AdoptForked(parent, op, *child);
  if (!adopted.ok()) {
    SettleFailedFork(parent, std::move(child));
    return adopted.error();
  }
  if (!child->alive() || !Watch(child)) return Errno(EAGAIN);  // it ends with its record
  return child;
}

Result<void> Engine::AdoptForked(StubProcess& parent, const HelperOp& fork, StubProcess& child) {
  std::vector<int64_t> results;
  TRY(parent.helper().Run(std::span(&fork, 1), &results));
  if (results.empty()) return Errno(ESRCH);
  if (results[0] < 0 && results[0] >= -4095) return Errno(static_cast<int>(-results[0]));
  // The number comes from memory the guest can write. Only a child of ours that we do not watch yet
  // can be the new one; with anything else the stub has disqualified itself.
  const pid_t pid = static_cast<pid_t>(results[0]);
  if (IsChild(pid) && child.Adopt(pid, options_.traced)) return {};
  parent.Kill();
  return Errno(EAGAIN);
}

Result<std::unique_ptr<StubFamily>> Engine::NewFamily() {
  return std::make_unique<StubFamily>(*this, TRY(Fork(first_->ancestor(), {})));
}

std::shared_ptr<StubProcess> Engine::MakeReady(StubProcess& ancestor) {
  auto child = Fork(ancestor, {});
  return child.ok() ? std::move(child).take() : nullptr;
}

Result<UniqueFd> Engine::OpenProc(pid_t pid, const std::string& file) const {
  if (options_.proc_fd < 0) return Errno(ENOSYS);
  UniqueFd fd(openat(options_.proc_fd, absl::StrCat(pid, "/", file).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Errno(errno);
  return fd;
}

Result<std::string> Engine::ReadProc(pid_t pid, const std::string& file) const {
  return ReadAll(TRY(OpenProc(pid, file)).get());
}

// Two numbers of the host's schedstat; the first is the time on a CPU.
uint64_t Engine::ThreadCpuNs(pid_t pid, pid_t tid) const {
  auto text = ReadProc(pid, absl::StrCat("task/", tid, "/schedstat"));
  uint64_t ns = 0;
  if (!text.ok() || !absl::SimpleAtoi(text->substr(0, text->find(' ')), &ns)) return 0;
  return ns;
}

bool Engine::ThreadSleeps(pid_t pid, pid_t tid) const {
  const auto text = ReadProc(pid, absl::StrCat("task/", tid, "/stat"));
  if (!text.ok()) return false;
  const size_t name_end = text->rfind(')');  // the guest chooses the name
  return name_end != text->npos && text->substr(name_end).starts_with(") S ");
}

}  // namespace runsc::stub
