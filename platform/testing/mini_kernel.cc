// See mini_kernel.h.
#include "platform/testing/mini_kernel.h"

#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform/base/unique_fd.h"

namespace runsc {
namespace {

constexpr uint64_t kStackTop = 0x7d0000000000, kStackSize = 8 << 20;
constexpr int kPipeBase = 500;

struct KernelAction {
  uint64_t handler, flags, restorer, mask;
};

// What a handler finds on its stack; only our own rt_sigreturn reads it back.
struct Frame {
  uint64_t return_address;
  Registers regs;
  uint64_t mask;
  uint64_t fp_size;
};

}  // namespace

struct MiniKernel::Pipe {
  std::string data;
};

struct MiniKernel::Process {
  int pid = 0, ppid = 0;
  std::shared_ptr<AddressSpace> memory;
  uint64_t brk_start = 0, brk = 0;
  std::map<int, KernelAction> actions;
  int tasks = 0;
  bool dead = false, reaped = false, vfork_done = true;
  int status = 0;
};

struct MiniKernel::Task {
  std::shared_ptr<Process> process;
  std::unique_ptr<Context> context;
  int tid = 0;
  uint64_t pending = 0;
};

MiniKernel::~MiniKernel() {
  for (std::thread& t : threads_) t.join();
}

std::shared_ptr<MiniKernel::Process> MiniKernel::NewProcess(int ppid) {
  auto process = std::make_shared<Process>();
  std::lock_guard lock(mu_);
  process->pid = next_id_++;
  process->ppid = ppid;
  processes_[process->pid] = process;
  return process;
}

Result<ThreadStart> MiniKernel::Load(Process& process, const std::string& path, const std::vector<std::string>& args) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Errno(errno);
  char header[4096];
  if (pread(fd.get(), header, sizeof header, 0) < 64 || memcmp(header, ELFMAG, 4) != 0) return Errno(ENOEXEC);
  const auto* elf = reinterpret_cast<const Elf64_Ehdr*>(header);
  const auto* ph = reinterpret_cast<const Elf64_Phdr*>(header + elf->e_phoff);
  std::vector<MapOp> ops;
  std::vector<std::pair<uint64_t, uint64_t>> zero;
  uint64_t end = 0, phdr = 0;
  for (int i = 0; i < elf->e_phnum; i++) {
    const Elf64_Phdr& h = ph[i];
    if (h.p_type != PT_LOAD) continue;
    const int prot =
        (h.p_flags & PF_R ? PROT_READ : 0) | (h.p_flags & PF_W ? PROT_WRITE : 0) | (h.p_flags & PF_X ? PROT_EXEC : 0);
    const uint64_t page = h.p_vaddr & ~4095UL, file_end = h.p_vaddr + h.p_filesz, mem_end = h.p_vaddr + h.p_memsz;
    ops.push_back({MapOp::kMap, page, file_end - page, prot, MAP_PRIVATE | MAP_FIXED, fd.get(), h.p_offset & ~4095UL});
    if (h.p_offset == 0) phdr = h.p_vaddr + elf->e_phoff;
    const uint64_t bss = (file_end + 4095) & ~4095UL;
    if (mem_end > file_end && file_end & 4095) zero.push_back({file_end, std::min(bss, mem_end) - file_end});
    if (mem_end > bss) {
      ops.push_back({MapOp::kMap, bss, (mem_end - bss + 4095) & ~4095UL, prot, MAP_PRIVATE | MAP_FIXED});
    }
    end = std::max(end, mem_end);
  }
  ops.push_back({MapOp::kMap, kStackTop - kStackSize, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED});
  TRY(process.memory->Replace(ops, {"guest"}));
  for (auto [addr, size] : zero) {
    const std::string zeros(size, 0);
    process.memory->CopyOut(addr, zeros.data(), size);
  }
  process.brk_start = process.brk = (end + 4095) & ~4095UL;
  std::string strings;
  const uint64_t strings_at = kStackTop - 65536;
  auto put = [&](const std::string& s) {
    const uint64_t at = strings_at + strings.size();
    strings.append(s.c_str(), s.size() + 1);
    return at;
  };
  std::vector<uint64_t> words{args.size()};
  for (const std::string& a : args) words.push_back(put(a));
  words.push_back(0);
  words.push_back(0);
  const uint64_t random = put("0123456789abcdef");
  for (auto [tag, value] :
       std::initializer_list<std::pair<uint64_t, uint64_t>>{{AT_PHDR, phdr},
                                                            {AT_PHENT, 56},
                                                            {AT_PHNUM, elf->e_phnum},
                                                            {AT_PAGESZ, 4096},
                                                            {AT_ENTRY, elf->e_entry},
                                                            {AT_UID, 0},
                                                            {AT_EUID, 0},
                                                            {AT_GID, 0},
                                                            {AT_EGID, 0},
                                                            {AT_SECURE, 0},
                                                            {AT_RANDOM, random},
                                                            {AT_HWCAP, getauxval(AT_HWCAP)},
                                                            {AT_HWCAP2, getauxval(AT_HWCAP2)},
                                                            {AT_CLKTCK, 100},
                                                            {AT_MINSIGSTKSZ, 4096},
                                                            {AT_SYSINFO_EHDR, platform_.layout().vdso_addr},
                                                            {AT_EXECFN, put(path)},
                                                            {AT_NULL, 0}}) {
    words.push_back(tag);
    words.push_back(value);
  }
  const uint64_t sp = (strings_at - words.size() * 8) & ~15UL;
  process.memory->CopyOut(strings_at, strings.data(), strings.size());
  process.memory->CopyOut(sp, words.data(), words.size() * 8);
  ThreadStart start;
  start.regs = Registers{};
  start.regs.rip = elf->e_entry;
  start.regs.rsp = sp;
  start.tgid = process.pid;
  start.ppid = process.ppid;
  return start;
}

MiniKernel::Outcome MiniKernel::Run(const std::string& path, const std::vector<std::string>& args) {
  auto process = NewProcess(0);
  auto memory = platform_.NewAddressSpace();
  if (!memory.ok()) return {-1, std::string(memory.status().message())};
  process->memory = *std::move(memory);
  auto start = Load(*process, path, args);
  if (!start.ok()) return {-1, "load: " + std::to_string(start.error().value())};
  start->tid = process->pid;
  auto context = process->memory->NewContext(*start);
  if (!context.ok()) return {-1, "context: " + std::to_string(context.error().value())};
  StartTask(process, std::move(context).take(), process->pid);
  std::unique_lock lock(mu_);
  changed_.wait(lock, [&] { return live_tasks_ == 0; });
  return {process->status, output_};
}

pid_t MiniKernel::HostPid(int tgid) {
  std::lock_guard lock(mu_);
  auto it = processes_.find(tgid);
  return it == processes_.end() || !it->second->memory ? 0 : it->second->memory->host_pid();
}

void MiniKernel::InterruptAll(int tgid) {
  std::lock_guard lock(mu_);
  for (auto& [tid, task] : tasks_) {
    if (task->process->pid == tgid) task->context->Interrupt();
  }
}

void MiniKernel::StartTask(std::shared_ptr<Process> process, std::unique_ptr<Context> context, int tid) {
  auto task = std::make_shared<Task>();
  task->process = std::move(process);
  task->context = std::move(context);
  task->tid = tid;
  std::lock_guard lock(mu_);
  task->process->tasks++;
  tasks_[tid] = task.get();
  live_tasks_++;
  threads_.emplace_back([this, task] { TaskMain(task); });
}

void MiniKernel::NoteInterrupt(Task& task) {
  const uint64_t rip = task.context->ReadRegisters().rip;
  interrupts_++;
  std::lock_guard lock(mu_);
  interrupted_at_.insert(rip);
}

void MiniKernel::TaskMain(std::shared_ptr<Task> task) {
  for (;;) {
    const Event event = task->context->Run();
    if (event.kind == Event::kKilled) {
      std::lock_guard lock(mu_);
      if (!task->process->dead) EndProcess(*task->process, SIGKILL);
      break;
    }
    if (event.kind == Event::kInterrupted) NoteInterrupt(*task);
    if (event.kind == Event::kFault) {
      std::lock_guard lock(mu_);
      const bool handled = task->process->actions.count(event.fault.signo) != 0;
      if (!handled) {
        if (getenv("MINI_VERBOSE")) {
          const Registers& r = task->context->ReadRegisters();
          fprintf(stderr, "fault %d code %d addr %lx rip %lx rsp %lx rax %lx\n", event.fault.signo, event.fault.code,
                  event.fault.addr, r.rip, r.rsp, r.rax);
        }
        EndProcess(*task->process, event.fault.signo);
        break;
      }
      task->pending |= 1UL << (event.fault.signo - 1);
    }
    if (event.kind == Event::kSyscall && !Serve(*task, event)) break;
    DeliverSignals(*task);
  }
  std::unique_lock lock(mu_);
  tasks_.erase(task->tid);
  std::unique_ptr<Context> context = std::move(task->context);
  lock.unlock();
  context.reset();
  lock.lock();
  if (--task->process->tasks == 0) {
    task->process->vfork_done = true;
    task->process->dead = true;
    task->process->memory.reset();
  }
  live_tasks_--;
  changed_.notify_all();
}

void MiniKernel::EndProcess(Process& process, int status) {
  process.dead = true;
  process.status = status;
  if (process.memory.use_count() == 1) process.memory->Kill();
  changed_.notify_all();
}

bool MiniKernel::Serve(Task& task, const Event& event) {
  const SyscallRequest& call = event.syscall;
  if (getenv("MINI_VERBOSE")) {
    fprintf(stderr, "[%d] %ld(%lx, %lx, %lx, %lx)%s\n", task.tid, static_cast<long>(call.number), call.args[0],
            call.args[1], call.args[2], call.args[3], event.was_interrupted ? " interrupted" : "");
  }
  if (event.was_interrupted) {
    if (task.pending & ~task.context->SignalMask()) {
      task.context->SetSyscallResult(-EINTR);
    } else {
      task.context->SubmitNative(call, false);
    }
    return true;
  }
  if (call.number == SYS_futex) {
    task.context->SubmitNative(call, false);
    return true;
  }
  bool gone = false;
  const int64_t result = Dispatch(task, call.number, call.args, &gone);
  if (gone) return false;
  if (call.number != SYS_rt_sigreturn && !(call.number == SYS_execve && result == 0)) {
    task.context->SetSyscallResult(result);
  }
  return true;
}

size_t MiniKernel::CopyIn(Task& task, uint64_t addr, void* dst, size_t size) {
  const auto staged = task.context->StagedInput(addr, size);
  if (staged.size() == size) {
    memcpy(dst, staged.data(), size);
    return size;
  }
  return task.process->memory->CopyIn(addr, dst, size);
}

bool MiniKernel::CopyOut(Task& task, uint64_t addr, const void* src, size_t size) {
  if (std::byte* room = task.context->StagedOutput(addr, size)) {
    memcpy(room, src, size);
    return true;
  }
  return task.process->memory->CopyOut(addr, src, size) == size;
}

std::string MiniKernel::ReadString(Task& task, uint64_t addr) {
  std::string out;
  const auto staged = task.context->StagedInput(addr, 4096);
  if (!staged.empty()) return std::string(reinterpret_cast<const char*>(staged.data()));
  for (char c; task.process->memory->CopyIn(addr, &c, 1) == 1 && c; addr++) out.push_back(c);
  return out;
}

std::vector<std::string> MiniKernel::ReadStrings(Task& task, uint64_t addr) {
  std::vector<std::string> out;
  for (uint64_t p; task.process->memory->CopyIn(addr, &p, 8) == 8 && p; addr += 8) out.push_back(ReadString(task, p));
  return out;
}

Context& MiniKernel::ContextOf(Task& task) { return *task.context; }
AddressSpace& MiniKernel::MemoryOf(Task& task) { return *task.process->memory; }
ThreadIdentity MiniKernel::IdsOf(Task& task) {
  return {.tid = task.tid, .tgid = task.process->pid, .ppid = task.process->ppid};
}

int64_t MiniKernel::Dispatch(Task& task, uint64_t number, Args a, bool* gone) {
  Process& process = *task.process;
  if (const auto result = Forwarded(task, number, a)) return *result;
  switch (number) {
    case SYS_write:
      return Write(task, a);
    case SYS_writev: {
      int64_t total = 0;
      for (uint64_t i = 0; i < a[2] && i < 16; i++) {
        iovec v;
        if (CopyIn(task, a[1] + i * sizeof v, &v, sizeof v) != sizeof v) return -EFAULT;
        const uint64_t one[3] = {a[0], reinterpret_cast<uint64_t>(v.iov_base), v.iov_len};
        total += Write(task, one);
      }
      return total;
    }
    case SYS_read:
      return Read(task, a);
    case SYS_poll: {  // nothing is ready
      std::string fds(std::min<uint64_t>(a[1], 1 << 16) * sizeof(pollfd), 0);
      if (CopyIn(task, a[0], fds.data(), fds.size()) != fds.size()) return -EFAULT;
      return CopyOut(task, a[0], fds.data(), fds.size()) ? 0 : -EFAULT;
    }
    case SYS_pipe2:
    case SYS_pipe: {
      std::lock_guard lock(mu_);
      const int fds[2] = {kPipeBase + 2 * static_cast<int>(pipes_.size()),
                          kPipeBase + 2 * static_cast<int>(pipes_.size()) + 1};
      pipes_.push_back(std::make_shared<Pipe>());
      return CopyOut(task, a[0], fds, sizeof fds) ? 0 : -EFAULT;
    }
    case SYS_exit:
      LeaveProcess(task, static_cast<int>(a[0] & 0xff) << 8);
      *gone = true;
      return 0;
    case SYS_exit_group: {
      std::lock_guard lock(mu_);
      EndProcess(process, static_cast<int>(a[0] & 0xff) << 8);
      *gone = true;
      return 0;
    }
    case SYS_clone:
      return Clone(task, a[0], a[1], a[2], a[3], a[4]);
    case SYS_fork:
      return Clone(task, SIGCHLD, 0, 0, 0, 0);
    case SYS_vfork:
      return Clone(task, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    case SYS_execve:
      return Exec(task, a);
    case SYS_wait4:
      return Wait4(task, a);
    case SYS_brk:
      return Brk(task, a[0]);
    case SYS_kill:
      return KillProcess(static_cast<int>(a[0]));
    case SYS_tgkill:
      return SendSignal(task, static_cast<int>(a[1]), static_cast<int>(a[2]));
    case SYS_rt_sigaction: {
      KernelAction action;
      if (a[1] && CopyIn(task, a[1], &action, sizeof action) != sizeof action) return -EFAULT;
      std::lock_guard lock(mu_);
      if (a[1]) process.actions[static_cast<int>(a[0])] = action;
      return 0;
    }
    case SYS_rt_sigreturn:
      SignalReturn(task);
      return 0;
    case SYS_fstat:
    case SYS_newfstatat: {
      struct stat st = {};
      st.st_mode = S_IFCHR | 0600;
      return CopyOut(task, number == SYS_fstat ? a[1] : a[2], &st, sizeof st) ? 0 : -EFAULT;
    }
    case SYS_getrandom: {
      const std::string bytes(std::min<uint64_t>(a[1], 4096), 'r');
      return CopyOut(task, a[0], bytes.data(), bytes.size()) ? static_cast<int64_t>(bytes.size()) : -EFAULT;
    }
    case SYS_set_robust_list:
      return 0;
    case SYS_pread64: {
      std::string data(std::min<uint64_t>(a[2], 1 << 20), static_cast<char>('a' + a[3] % 26));
      return CopyOut(task, a[1], data.data(), data.size()) ? static_cast<int64_t>(data.size()) : -EFAULT;
    }
    case SYS_clock_gettime: {
      timespec now{};
      if (clock_gettime(static_cast<clockid_t>(a[0]), &now) != 0) return -errno;
      return CopyOut(task, a[1], &now, sizeof now) ? 0 : -EFAULT;
    }
    case SYS_clock_nanosleep:
      usleep(1000);
      return 0;
    case 9999:
      return static_cast<int64_t>(a[0] * 3 + a[1] + 1);
    case SYS_mmap:
      return -ENODEV;
    default:
      return -ENOSYS;
  }
}

int64_t MiniKernel::Write(Task& task, Args a) {
  std::string data(std::min<uint64_t>(a[2], 65536), 0);
  if (CopyIn(task, a[1], data.data(), data.size()) != data.size()) return -EFAULT;
  std::lock_guard lock(mu_);
  if (a[0] >= kPipeBase) {
    Pipe* pipe = FindPipe(a[0]);
    if (pipe == nullptr) return -EBADF;
    pipe->data += data;
    changed_.notify_all();
  } else if (a[0] == 1) {
    output_ += data;
    if (getenv("MINI_ECHO")) fputs(data.c_str(), stderr);
  }
  return static_cast<int64_t>(data.size());
}

int64_t MiniKernel::Read(Task& task, Args a) {
  std::unique_lock lock(mu_);
  if (FindPipe(a[0]) == nullptr) return -EBADF;
  Pipe& pipe = *FindPipe(a[0]);
  changed_.wait(lock, [&] { return !pipe.data.empty() || task.process->dead; });
  const std::string data = pipe.data.substr(0, a[2]);
  pipe.data.erase(0, data.size());
  lock.unlock();
  return CopyOut(task, a[1], data.data(), data.size()) ? static_cast<int64_t>(data.size()) : -EFAULT;
}

MiniKernel::Pipe* MiniKernel::FindPipe(uint64_t fd) {
  const uint64_t index = (fd - kPipeBase) / 2;
  return fd >= kPipeBase && index < pipes_.size() ? pipes_[index].get() : nullptr;
}

int64_t MiniKernel::Brk(Task& task, uint64_t addr) {
  Process& p = *task.process;
  if (addr < p.brk_start || addr > p.brk_start + (1UL << 30)) return static_cast<int64_t>(p.brk);
  const uint64_t old_end = (p.brk + 4095) & ~4095UL, new_end = (addr + 4095) & ~4095UL;
  if (new_end > old_end) {
    const MapOp op{MapOp::kMap, old_end, new_end - old_end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED};
    if (!p.memory->Apply(std::span(&op, 1), nullptr).ok()) return static_cast<int64_t>(p.brk);
  }
  p.brk = addr;
  return static_cast<int64_t>(addr);
}

int64_t MiniKernel::Clone(Task& task, uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid, uint64_t tls) {
  Process& parent = *task.process;
  ThreadStart start;
  start.regs = task.context->ReadRegisters();
  start.regs.rax = 0;
  if (stack) start.regs.rsp = stack;
  if (flags & CLONE_SETTLS) start.regs.fs_base = tls;
  const auto fp = task.context->ReadFpState();
  start.fp_state.assign(fp.begin(), fp.end());
  start.signal_mask = task.context->SignalMask();
  if (flags & CLONE_CHILD_SETTID) start.set_child_tid = ctid;
  if (flags & CLONE_CHILD_CLEARTID) start.clear_child_tid = ctid;
  if (flags & CLONE_THREAD) {
    {
      std::lock_guard lock(mu_);
      start.tid = next_id_++;
    }
    start.tgid = parent.pid;
    start.ppid = parent.ppid;
    if (flags & CLONE_PARENT_SETTID) CopyOut(task, ptid, &start.tid, 4);
    auto context = parent.memory->NewContext(start);
    if (!context.ok()) return -context.error().value();
    StartTask(task.process, std::move(context).take(), start.tid);
    return start.tid;
  }
  auto child = NewProcess(parent.pid);
  start.tid = start.tgid = child->pid;
  start.ppid = parent.pid;
  child->brk_start = parent.brk_start;
  child->brk = parent.brk;
  child->actions = parent.actions;
  if (flags & CLONE_VM) {
    child->memory = parent.memory;
    child->vfork_done = !(flags & CLONE_VFORK);
    auto context = parent.memory->NewContext(start);
    if (!context.ok()) return -context.error().value();
    StartTask(child, std::move(context).take(), start.tid);
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return child->vfork_done; });
    return start.tid;
  }
  auto forked = parent.memory->Fork(*task.context, start);
  if (!forked.ok()) return -forked.error().value();
  child->memory = std::move(forked->address_space);
  StartTask(child, std::move(forked->context), start.tid);
  return start.tid;
}

int64_t MiniKernel::Exec(Task& task, Args a) {
  Process& process = *task.process;
  const std::string path = ReadString(task, a[0]);
  const std::vector<std::string> args = ReadStrings(task, a[1]);
  if (access(path.c_str(), X_OK) != 0) return -errno;
  const bool shared = process.memory.use_count() > 1;
  std::unique_ptr<Context> old;
  if (shared) {
    auto memory = platform_.NewAddressSpace();
    if (!memory.ok()) return -ENOMEM;
    process.memory = *std::move(memory);
  }
  auto start = Load(process, path, args);
  if (!start.ok()) return -start.error().value();
  start->tid = task.tid;
  if (shared) {
    auto context = process.memory->NewContext(*start);
    if (!context.ok()) return -ENOMEM;
    {
      std::lock_guard lock(mu_);
      old = std::exchange(task.context, std::move(context).take());
    }
    old->Exit();
    std::lock_guard lock(mu_);
    process.vfork_done = true;
    changed_.notify_all();
  } else {
    task.context->WriteRegisters(start->regs);
    std::vector<std::byte> fresh(platform_.layout().xsave_size);
    task.context->WriteFpState({});
    task.context->SetClearChildTid(0);
  }
  return 0;
}

int64_t MiniKernel::Wait4(Task& task, Args a) {
  std::unique_lock lock(mu_);
  const int pid = static_cast<int>(a[0]);
  Process* found = nullptr;
  bool any = false;
  changed_.wait(lock, [&] {
    any = false;
    for (auto& [id, p] : processes_) {
      if (p->ppid != task.process->pid || p->reaped || (pid > 0 && pid != id)) continue;
      any = true;
      if (p->dead && p->tasks == 0) {
        found = p.get();
        return true;
      }
    }
    return !any || task.process->dead;
  });
  if (!found) return -ECHILD;
  found->reaped = true;
  const int status = found->status, id = found->pid;
  lock.unlock();
  if (a[1] && !CopyOut(task, a[1], &status, sizeof status)) return -EFAULT;
  return id;
}

void MiniKernel::LeaveProcess(Task& task, int status) {
  task.context->Exit();
  std::lock_guard lock(mu_);
  if (task.process->tasks == 1 && !task.process->dead) task.process->status = status;
}

int64_t MiniKernel::KillProcess(int pid) {
  std::lock_guard lock(mu_);
  auto it = processes_.find(pid);
  if (it == processes_.end() || it->second->dead || !it->second->memory) return -ESRCH;
  EndProcess(*it->second, SIGKILL);
  return 0;
}

int64_t MiniKernel::SendSignal(Task& task, int tid, int signal) {
  std::lock_guard lock(mu_);
  auto it = tasks_.find(tid);
  if (it == tasks_.end()) return -ESRCH;
  it->second->pending |= 1UL << (signal - 1);
  if (it->second != &task) it->second->context->Interrupt();
  return 0;
}

void MiniKernel::DeliverSignals(Task& task) {
  std::unique_lock lock(mu_);
  const uint64_t due = task.pending & ~task.context->SignalMask();
  if (due == 0) return;
  const int signal = __builtin_ctzl(due) + 1;
  task.pending &= ~(1UL << (signal - 1));
  const auto it = task.process->actions.find(signal);
  if (it == task.process->actions.end()) return;
  const KernelAction action = it->second;
  lock.unlock();
  Frame frame{action.restorer, task.context->ReadRegisters(), task.context->SignalMask(), 0};
  const auto fp = task.context->ReadFpState();
  frame.fp_size = fp.size();
  const uint64_t fp_at = (frame.regs.rsp - 128 - fp.size()) & ~63UL;
  const uint64_t at = ((fp_at - sizeof frame) & ~15UL) - 8;
  task.process->memory->CopyOut(fp_at, fp.data(), fp.size());
  task.process->memory->CopyOut(at, &frame, sizeof frame);
  const uint64_t fp_pointer = fp_at;
  task.process->memory->CopyOut(at - 8, &fp_pointer, 8);
  Registers regs = frame.regs;
  regs.rip = action.handler;
  regs.rsp = at;
  regs.rdi = static_cast<uint64_t>(signal);
  regs.rsi = regs.rdx = 0;
  task.context->SetSignalMask(frame.mask | action.mask | 1UL << (signal - 1));
  task.context->WriteRegisters(regs);
  task.context->WriteFpState({});
}

void MiniKernel::SignalReturn(Task& task) {
  const Registers now = task.context->ReadRegisters();
  Frame frame;
  uint64_t fp_at = 0;
  // The handler returned to the restorer: the frame begins one word below.
  const uint64_t at = now.rsp - 8;
  task.process->memory->CopyIn(at, &frame, sizeof frame);
  task.process->memory->CopyIn(at + ((sizeof frame + 15) & ~15UL), &fp_at, 0);
  std::vector<std::byte> fp(frame.fp_size > 16384 ? 0 : frame.fp_size);
  fp_at = (frame.regs.rsp - 128 - fp.size()) & ~63UL;
  task.process->memory->CopyIn(fp_at, fp.data(), fp.size());
  task.context->SetSignalMask(frame.mask);
  task.context->WriteRegisters(frame.regs);
  task.context->WriteFpState(fp);
}

}  // namespace runsc
