// execve(2): everything that can fail is prepared first; then the old program goes.
#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include <algorithm>

#include "sentry/kernel/exec_credentials.h"
#include "sentry/kernel/host_placement.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/random.h"
#include "sentry/kernel/robust_list.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_frame.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/trace_stop.h"
#include "sentry/loader/elf.h"
#include "sentry/loader/script.h"
#include "sentry/loader/stack.h"
#include "sentry/vfs/leases.h"
#include "sentry/vfs/mount.h"

namespace runsc {
namespace {

constexpr uint64_t kPage = 4096;
constexpr int kMaxScriptDepth = 5;
constexpr uint64_t kStackRoom = 128 << 10;  // mapped below the arguments; the rest grows on demand
// Mappings are placed downwards from the base, so what lies this far below has room to grow.
constexpr uint64_t kStackDistance = uint64_t{16} << 40;

GuestAddr PageUp(GuestAddr a) { return (a + kPage - 1) & ~(kPage - 1); }

// The randomness of one exec, drawn at once.
class Dice {
 public:
  Dice() { FillRandom(words_, sizeof(words_)); }
  // Page-aligned, below `range`; 0 for who asked for addresses that stay.
  uint64_t Offset(bool randomize, uint64_t range) {
    return randomize ? (words_[next_++ % kWords] % range) & ~(kPage - 1) : 0;
  }
  std::string Bytes() const { return std::string(reinterpret_cast<const char*>(words_ + kWords), 16); }

 private:
  static constexpr size_t kWords = 8;  // more than an exec has offsets
  uint64_t words_[kWords + 2];
  size_t next_ = 0;
};

struct Opened {
  RefPtr<File> file;
  Attr attr;
};

Result<Opened> OpenExecutable(Task& task, const Path& start, std::string_view path, int flags) {
  const uint32_t lookup =
      ((flags & AT_SYMLINK_NOFOLLOW) ? Vfs::kNoFollow : 0u) | ((flags & AT_EMPTY_PATH) ? Vfs::kEmptyPath : 0u);
  const Resolver resolver = task.resolver();
  const Path at = TRY(task.vfs().Lookup(resolver, start, path, lookup));
  const RefPtr<Inode>& inode = at.dentry->inode();
  const Attr attr = TRY(inode->GetAttr());
  if (attr.IsSymlink()) return Errno(ELOOP);
  if (!attr.IsRegular() || (at.mount->flags() & MS_NOEXEC)) return Errno(EACCES);
  TRY(task.vfs().CheckAccess(*task.creds(), at, X_OK));
  TRY(AwaitLeases(task, *inode, false, false));
  RefPtr<File> file = TRY(inode->Open(task, at, O_RDONLY));
  return Opened{std::move(file), attr};
}

// Where things go in a new address space.
struct Placement {
  GuestAddr exe_bias, interp_base, mmap_base, stack_top;
};

Placement Place(const Layout& layout, const ElfImage& image, bool randomize, Dice& dice) {
  Placement p{};
  p.mmap_base = layout.max_addr - kPage - dice.Offset(randomize, uint64_t{1} << 40);
  p.stack_top = layout.max_addr - kStackDistance - dice.Offset(randomize, uint64_t{16} << 30);
  const GuestAddr interp_area = p.mmap_base - (uint64_t{32} << 30);
  p.interp_base = interp_area - dice.Offset(randomize, uint64_t{64} << 30);
  if (image.position_independent) {
    const GuestAddr base = layout.max_addr / 3 * 2 + dice.Offset(randomize, uint64_t{1} << 40);
    p.exe_bias = (base & ~(image.alignment - 1)) - image.low;
  }
  return p;
}

// Where an image wants to be, if it has a wish.
bool HasRoom(const Layout& layout, const ElfImage& image) {
  return image.position_independent || (image.low >= layout.min_addr && image.high <= layout.max_addr / 2);
}

// Another process could change the root and the directory of a program with more rights.
bool SharesFsOutside(Task& task) {
  if (task.fs().ref_count() == 1) return false;
  std::vector<RefPtr<FsContext>> seen;  // released after the lock
  MutexLock l(task.kernel().task_set_mu());
  for (ThreadGroup* group : task.kernel().ThreadGroupsLocked()) {
    if (group == &task.thread_group()) continue;
    for (Task* other : group->tasks) {
      seen.push_back(other->FsSnapshot());
      if (seen.back().get() == &task.fs()) return true;
    }
  }
  return false;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void DropHandlers(SignalActions& actions) {
  for (auto& action : actions.actions) {
    if (action.handler > 1) action.handler = 0;
    action.flags = 0;
    action.restorer = 0;
    action.mask = 0;
  }
}

Registers InitialRegisters(GuestAddr entry, GuestAddr sp) {
  Registers regs{};
  regs.rip = entry;
  regs.rsp = sp;
  regs.eflags = 0x202;
  regs.cs = 0x33;
  regs.ss = 0x2b;
  regs.orig_rax = ~uint64_t{0};
  return regs;
}

}  // namespace

struct Task::ExecRequest {
  std::vector<std::string> argv, envp;
  std::string filename;  // as the caller named it
  std::string comm;
  Opened program;
  ElfImage image;
  std::optional<ElfImage> interpreter;
  ExecCredentials creds;
  bool randomize = true;  // personality(2)
  Dice dice;
  Placement place{};
  std::vector<MapOp> ops;
  std::vector<RefPtr<RefCounted>> owners;
  std::vector<ZeroRange> zero;
  StackImage stack;
  GuestAddr entry = 0;

  Result<void> FollowScripts(Task& task);
  Result<void> FollowScript(Task& task, std::string_view head);
  Result<void> LoadHeaders(Task& task);
  Result<void> Plan(Task& task, const Layout& layout);
  void PlanStack(const Layout& layout);
  std::vector<std::pair<uint64_t, uint64_t>> AuxiliaryVector(const Layout& layout) const;
  MemoryManager::Image ImageRecord();
};

// argv[0] gives way to the interpreter, its argument and the script's own name.
Result<void> Task::ExecRequest::FollowScript(Task& task, std::string_view head) {
  const ScriptLine line = TRY(ParseScriptLine(head));
  std::vector<std::string> args{line.interpreter};
  if (line.argument) args.push_back(*line.argument);
  args.push_back(filename);
  if (!argv.empty()) argv.erase(argv.begin());
  argv.insert(argv.begin(), args.begin(), args.end());
  program = TRY(OpenExecutable(task, task.fs().cwd(), line.interpreter, AT_EMPTY_PATH));
  TRY(program.file->DenyWrites());
  filename = line.interpreter;
  return {};
}

Result<void> Task::ExecRequest::FollowScripts(Task& task) {
  for (int depth = 0;; ++depth) {
    char head[kScriptHeadSize];
    const size_t n = TRY(ReadFileAt(task, *program.file, 0, head, sizeof(head)));
    if (n < 2 || head[0] != '#' || head[1] != '!') return {};
    if (depth >= kMaxScriptDepth) return Errno(ELOOP);
    TRY(FollowScript(task, std::string_view(head, n)));
  }
}

Result<void> Task::ExecRequest::LoadHeaders(Task& task) {
  image = TRY(ParseElf(task, program.file));
  if (image.interpreter.empty()) return {};
  auto opened = TRY(OpenExecutable(task, task.fs().cwd(), image.interpreter, 0));
  auto parsed = ParseElf(task, std::move(opened.file));
  if (!parsed.ok()) return parsed.error() == Errno(ENOEXEC) ? Errno(ELIBBAD) : parsed.error();
  interpreter = std::move(*parsed);
  return {};
}

std::vector<std::pair<uint64_t, uint64_t>> Task::ExecRequest::AuxiliaryVector(const Layout& layout) const {
  const Credentials& c = *creds.creds;
  std::vector<std::pair<uint64_t, uint64_t>> auxv;
  if (layout.vdso_addr != 0) auxv.emplace_back(AT_SYSINFO_EHDR, layout.vdso_addr);
  const GuestAddr bias = place.exe_bias;
  const uint64_t phdr = image.phdr_addr != 0 ? image.phdr_addr + bias : 0;
  const uint64_t base = interpreter ? place.interp_base - interpreter->low : 0;
  auxv.insert(auxv.end(), {{AT_MINSIGSTKSZ, std::max<uint64_t>(getauxval(AT_MINSIGSTKSZ), layout.xsave_size + 1024)},
                           {AT_HWCAP, getauxval(AT_HWCAP)},
                           {AT_PAGESZ, kPage},
                           {AT_CLKTCK, 100},
                           {AT_PHDR, phdr},
                           {AT_PHENT, sizeof(Elf64_Phdr)},
                           {AT_PHNUM, image.phdr_count},
                           {AT_BASE, base},
                           {AT_FLAGS, 0},
                           {AT_ENTRY, image.entry + bias},
                           {AT_UID, c.ruid},
                           {AT_EUID, c.euid},
                           {AT_GID, c.rgid},
                           {AT_EGID, c.egid},
                           {AT_SECURE, creds.secure ? 1 : 0},
                           {AT_HWCAP2, getauxval(AT_HWCAP2)}});
  return auxv;
}

void Task::ExecRequest::PlanStack(const Layout& layout) {
  StackRequest request;
  request.top = place.stack_top - dice.Offset(randomize, kPage * 4) - 16;
  request.argv = &argv;
  request.envp = &envp;
  request.filename = filename;
  request.random = dice.Bytes();
  request.auxv = AuxiliaryVector(layout);
  stack = BuildStack(request);
  const GuestAddr bottom = (stack.sp & ~(kPage - 1)) - kStackRoom;
  const int prot = PROT_READ | PROT_WRITE | (image.executable_stack ? PROT_EXEC : 0);
  ops.push_back(
      {MapOp::kMap, bottom, place.stack_top - bottom, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN});
  ops.push_back({MapOp::kReserve, place.mmap_base, layout.max_addr - place.mmap_base, PROT_NONE,
                 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, ReservationFd()});
}

Result<void> Task::ExecRequest::Plan(Task& task, const Layout& layout) {
  place = Place(layout, image, randomize, dice);
  if (!HasRoom(layout, image)) return Errno(ENOMEM);
  TRY(PlanElf(image, place.exe_bias, &ops, &owners));
  zero = BssTails(image, place.exe_bias);
  entry = image.entry + place.exe_bias;
  if (interpreter) {
    if (!HasRoom(layout, *interpreter)) return Errno(ENOMEM);
    const bool movable = interpreter->position_independent;
    const GuestAddr bias = movable ? (place.interp_base & ~(interpreter->alignment - 1)) - interpreter->low : 0;
    place.interp_base = bias + interpreter->low;
    TRY(PlanElf(*interpreter, bias, &ops, &owners));
    const auto more = BssTails(*interpreter, bias);
    zero.insert(zero.end(), more.begin(), more.end());
    entry = interpreter->entry + bias;
  }
  PlanStack(layout);
  return {};
}

MemoryManager::Image Task::ExecRequest::ImageRecord() {
  const GuestAddr bias = place.exe_bias;
  MemoryManager::Image record;
  record.start_code = image.start_code + bias;
  record.end_code = image.end_code + bias;
  record.start_data = image.start_data + bias;
  record.end_data = image.end_data + bias;
  record.start_brk = PageUp(image.brk + bias) + dice.Offset(randomize, 32 << 20);
  record.start_stack = stack.sp;
  record.mmap_base = place.mmap_base;
  record.stack_top = place.stack_top;
  record.arg_start = stack.arg_start;
  record.arg_end = stack.arg_end;
  record.env_start = stack.env_start;
  record.env_end = stack.env_end;
  record.auxv = stack.auxv;
  record.exe = image.file;
  return record;
}

// All other threads of the process end first; the caller takes the leader's id if it is not the leader.
Result<void> Task::KillSiblings() {
  ThreadGroup& group = *thread_group_;
  {
    MutexLock l(kernel_.task_set_mu());
    if (group.exiting || group.exec_waiter != nullptr) return kRestartNoIntr;
    if (group.tasks.size() == 1 && group.leader == this) return {};
    group.exec_waiter = this;
    for (Task* task : group.tasks) {
      if (task != this) task->NoticeWorkLocked(RunState::kKill, true);
    }
  }
  Result<void> result;
  for (bool alone = false; !alone && result.ok();) {
    {
      MutexLock l(kernel_.task_set_mu());
      alone = group.tasks.size() == 1;
    }
    if (!alone) result = BlockKillable();
  }
  RefPtr<Task> old_leader;
  MutexLock l(kernel_.task_set_mu());
  group.exec_waiter = nullptr;
  if (result.ok() && group.leader != this) old_leader = TakeLeaderTidLocked();
  return result;
}

RefPtr<Task> Task::TakeLeaderTidLocked() {
  ThreadGroup& group = *thread_group_;
  RefPtr<Task> old_leader = kernel_.RemoveTaskLocked(group.pid());
  if (old_leader) UnlinkTraceeLocked(*old_leader);
  const RefPtr<Task> self = kernel_.RemoveTaskLocked(tid());
  RemoveFromPidNamespacesLocked(group.pid_ns.get(), tid());
  tid_ = group.pid();
  kernel_.InsertTaskLocked(*this);
  group.leader = this;
  return old_leader;
}

// In place when nobody shares the address space; else (vfork child, CLONE_VM) into a clean one.
Result<void> Task::SwitchImage(ExecRequest& request) {
  const Registers regs = InitialRegisters(request.entry, request.stack.sp);
  const StackImage& stack = request.stack;
  const HostLook look{request.comm, stack.arg_start, stack.arg_end - stack.arg_start};
  // Whoever looks at the old memory right now must not find more rights in it.
  if (mm_ && !request.creds.privileged && mm_->ClaimForExec()) {
    mm_->ForgetMappings();
    mm_->LiftLimits();
    TRY(mm_->address_space().Replace(request.ops, look));
    context_->WriteFpState(InitialFpState(mm_->layout().xsave_size));
    context_->WriteRegisters(regs);
    context_->SetClearChildTid(0);
    return {};
  }
  auto made = kernel_.NewAddressSpace(thread_group_->container);
  if (!made.ok()) return Errno(ENOMEM);
  TRY((*made)->Replace(request.ops, look));
  ThreadStart start;
  start.regs = regs;
  const ThreadIdentity who = IdentityOf(*this, *request.creds.creds);
  start.tid = who.tid, start.tgid = who.tgid, start.ppid = who.ppid;
  start.uid = who.uid, start.euid = who.euid, start.gid = who.gid, start.egid = who.egid;
  if (context_) start.signal_mask = context_->SignalMask();
  auto context = TRY((*made)->NewContext(start));
  auto mm = MakeRef<MemoryManager>(std::move(*made), kernel_.platform().layout());
  ResetHostThread(*this);
  if (context_) context_->Exit();
  MutexLock l(mu_);
  if (context_) run_->past_user_ns += context_->CpuTimeNs();
  context_.swap(context);
  run_->forwarded = nullptr;
  std::swap(mm_, mm);
  return {};
}

Result<void> Task::WriteImage(ExecRequest& request) {
  AddressSpace& as = mm_->address_space();
  const std::vector<char> zeros(kPage);
  for (const ZeroRange& range : request.zero) {
    if (as.CopyOut(range.addr, zeros.data(), range.size) != range.size) return Errno(EFAULT);
  }
  const StackImage& stack = request.stack;
  if (as.CopyOut(stack.sp, stack.bytes.data(), stack.bytes.size()) != stack.bytes.size()) return Errno(EFAULT);
  const auto record = request.ImageRecord();
  mm_->SetBreak(record.start_brk);
  for (const MapOp& op : request.ops) {
    if (op.kind != MapOp::kMap || op.host_fd < 0) continue;
    const bool is_exe =
        op.addr >= request.image.low + request.place.exe_bias && op.addr < request.image.high + request.place.exe_bias;
    mm_->NoteFile(op.addr, op.length, is_exe ? request.image.file : request.interpreter->file);
  }
  mm_->set_image(record);
  return {};
}

void Task::ResetForExec(ExecRequest& request) {
  ThreadGroup& group = *thread_group_;
  const std::string exe = vfs().PathName(request.image.file->path(), fs_->root());
  bool traced;
  {
    MutexLock l(kernel_.task_set_mu());
    if (group.actions->ref_count() > 1) {
      auto own = MakeRef<SharedSignalActions>();
      own->value = group.actions->value;
      group.actions = std::move(own);
    }
    DropHandlers(group.actions->value);
    group.has_execed = true;
    group.personality &= ~uint32_t{READ_IMPLIES_EXEC};
    group.exe_path = exe;
    group.dumpable = !request.creds.privileged;  // from here on only those with rights can attach
    traced = IsTracedWithoutRightsLocked(*this);
    group.exit_signal = SIGCHLD;
  }
  // A tracer that came after the rights were decided: the program does without them.
  if (traced && request.creds.privileged) {
    request.creds = *CredentialsAfterExec(*creds_, request.program.attr, false, std::nullopt);
  }
  group.timers->DeletePosixTimers();
  sigaltstack = {};
  run_->read_implies_exec = false;
  if (request.creds.privileged) pdeath_signal = 0;
}

void Task::FinishExec(ExecRequest& request) {
  ResetForExec(request);
  RefPtr<FdTable> shared_fds;
  if (fds_->ref_count() > 1) {
    shared_fds = fds_;
    SetFds(shared_fds->Fork());
  }
  for (const auto& file : fds_->RemoveCloexec()) file->OnClose(this);
  // Of the process' own threads one may have shared it since the rights were decided.
  if (request.creds.privileged && fs_->ref_count() > 1) SetFs(fs_->Fork());
  SetCreds(request.creds.creds);
  ReleaseVforkParent();
  run_->registers_replaced = true;
}

Result<void> Task::PrepareExec(ExecRequest& request, const Path& start, int flags) {
  request.program = TRY(OpenExecutable(*this, start, request.filename, flags));
  TRY(request.program.file->DenyWrites());
  bool traced;
  {
    MutexLock l(kernel_.task_set_mu());
    request.randomize = !(thread_group_->personality & ADDR_NO_RANDOMIZE);
    traced = IsTracedWithoutRightsLocked(*this);
  }
  TRY(request.FollowScripts(*this));
  TRY(request.LoadHeaders(*this));
  const bool may_share = creds_->HasOwn(CAP_SETUID) || !SharesFsOutside(*this);
  const bool honour = !(request.program.file->path().mount->flags() & MS_NOSUID) && !traced && may_share;
  std::optional<FileCapabilities> caps;
  if (honour && !creds_->no_new_privs && HeedsFileCapabilities(*creds_)) {
    const auto value = request.program.file->path().dentry->inode()->GetXattr("security.capability");
    if (value.ok()) caps = ParseFileCapabilities(*value, creds_->user_ns.get());
  }
  request.creds = TRY(CredentialsAfterExec(*creds_, request.program.attr, honour, caps));
  return request.Plan(*this, kernel_.platform().layout());
}

Result<void> Task::Exec(const Path& start, std::string path, std::vector<std::string> argv,
                        std::vector<std::string> envp, int flags) {
  ExecRequest request;
  request.comm = BaseName(path);
  request.argv = std::move(argv);
  request.envp = std::move(envp);
  request.filename = std::move(path);
  if (request.argv.empty()) request.argv.emplace_back();  // Linux since 5.18
  TRY(PrepareExec(request, start, flags));
  const int old_tid = tid();
  TRY(KillSiblings());
  // From here on there is no program to return to.
  if (context_) WalkRobustList(*this, PidToGuest(*this, tid()));
  auto switched = SwitchImage(request);
  if (switched.ok()) switched = WriteImage(request);
  if (!switched.ok()) {
    if (!context_) return switched;  // the first program: its starter reports
    ExitGroup(SIGKILL);
    ReleaseVforkParent();
    return switched;
  }
  set_name(request.comm);
  FinishExec(request);
  mm_->ApplyLimits(*this);
  StopAtExec(*this, old_tid);
  return {};
}

}  // namespace runsc
