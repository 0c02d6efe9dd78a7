#include "syscalls/strace.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bitset>
#include <memory>
#include <utility>

#include "sentry/fs/proc_magic.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/task.h"
#include "syscalls/strace_values.h"
#include "syscalls/table.h"

namespace runsc {
namespace {

constexpr size_t kMaxVector = 32;  // strings of argv shown

struct CallFormat {
  const char* name;
  const char* letters;
};

constexpr CallFormat kFormats[] = {
#define STRACE(name, letters) {#name, letters},
#include "syscalls/strace_args.inc"
#undef STRACE
};

// Not changed once tasks may see it.
struct Tracer {
  StraceOptions options;
  std::bitset<SyscallTable::kSize> wanted;
  std::array<std::string_view, SyscallTable::kSize> names;
  std::array<std::string_view, SyscallTable::kSize> letters;
};

std::atomic<const Tracer*> tracer{nullptr};
const Tracer& Now() { return *tracer.load(std::memory_order_acquire); }

// One call being traced; it belongs to the task's own thread.
struct Call {
  std::string args[6];
  int64_t start_ns = 0;
};

thread_local Call current;

bool IsOutput(char letter) { return std::string_view("BPITN").find(letter) != std::string_view::npos; }

// Guest bytes, or what a result that is still on its way to the guest will be.
size_t Peek(Task& task, GuestAddr addr, void* dst, size_t size) {
  const auto granted = task.context().GrantedOutput(addr, size);
  if (granted.empty()) return task.CopyInPartial(addr, dst, size);
  std::copy(granted.begin(), granted.end(), static_cast<std::byte*>(dst));
  return granted.size();
}

template <typename T, typename Show>
std::string ShowObject(Task& task, GuestAddr addr, Show show) {
  T value;
  if (addr == 0) return "NULL";
  if (Peek(task, addr, &value, sizeof(value)) != sizeof(value)) return Format("0x%lx", addr);
  return show(value);
}

std::string ShowString(Task& task, GuestAddr addr) {
  if (addr == 0) return "NULL";
  const auto text = task.CopyInString(addr, Now().options.max_bytes + 1);
  if (text.ok()) return QuoteBytes(*text, false);
  if (!(text.error() == Errno(ENAMETOOLONG))) return Format("0x%lx", addr);
  std::string start(Now().options.max_bytes, '\0');
  start.resize(Peek(task, addr, start.data(), start.size()));
  return QuoteBytes(start, true);
}

std::string ShowBuffer(Task& task, GuestAddr addr, uint64_t size) {
  if (addr == 0) return "NULL";
  std::string bytes(std::min<uint64_t>(size, Now().options.max_bytes), '\0');
  bytes.resize(Peek(task, addr, bytes.data(), bytes.size()));
  return bytes.empty() && size > 0 ? Format("0x%lx", addr) : QuoteBytes(bytes, bytes.size() < size);
}

std::string ShowVector(Task& task, GuestAddr addr) {
  if (addr == 0) return "NULL";
  std::string text = "[";
  for (size_t i = 0; i < kMaxVector; ++i) {
    GuestAddr item = 0;
    if (Peek(task, addr + 8 * i, &item, sizeof(item)) != sizeof(item)) return Format("0x%lx", addr);
    if (item == 0) return text + "]";
    text += (i > 0 ? ", " : "") + ShowString(task, item);
  }
  return text + ", ...]";
}

std::string ShowIovecs(Task& task, GuestAddr addr, uint64_t count) {
  std::string text = "[";
  for (uint64_t i = 0; i < std::min<uint64_t>(count, kMaxVector); ++i) {
    iovec item;
    if (Peek(task, addr + sizeof(item) * i, &item, sizeof(item)) != sizeof(item)) return Format("0x%lx", addr);
    text += (i > 0 ? ", " : "") + ShowBuffer(task, reinterpret_cast<GuestAddr>(item.iov_base), item.iov_len);
  }
  return text + (count > kMaxVector ? ", ...]" : "]");
}

std::string ShowFd(Task& task, int fd) {
  const auto file = task.fds().Get(fd);
  if (!file.ok()) return Format("%d", fd);
  return Format("%d<%s>", fd, NameOfFile(**file, task).c_str());
}

std::string ShowSocketAddress(Task& task, GuestAddr addr, uint64_t size) {
  std::string bytes(std::min<uint64_t>(size, 128), '\0');
  bytes.resize(addr != 0 ? Peek(task, addr, bytes.data(), bytes.size()) : 0);
  return bytes.empty() ? Format("0x%lx", addr) : SocketAddressText(bytes);
}

std::string ShowTimespec(const timespec& ts) { return Format("{%ld.%09ld}", ts.tv_sec, ts.tv_nsec); }

std::string ShowInput(Task& task, char letter, const uint64_t* arg, bool last) {
  const auto number = static_cast<int>(*arg);
  const uint64_t next = last ? 0 : arg[1];
  switch (letter) {
    case 'd':
      return Format("%ld", static_cast<int64_t>(*arg) == number ? int64_t{number} : static_cast<int64_t>(*arg));
    case 'u':
      return Format("%lu", *arg);
    case 'o':
      return Format("0%o", static_cast<unsigned>(number));
    case 'f':
      return ShowFd(task, number);
    case 'D':
      return number == AT_FDCWD ? "AT_FDCWD" : ShowFd(task, number);
    case 's':
      return ShowString(task, *arg);
    case 'O':
      return OpenFlagsText(number);
    case 'p':
      return ProtText(number);
    case 'm':
      return MapFlagsText(number);
    case 'A':
      return AtFlagsText(number);
    case 'S':
      return SignalText(number);
    case 'c':
      return CloneFlagsText(*arg);
    case 'F':
      return FutexOpText(number);
    case 'w':
      return WhenceText(number);
    case 't':
      return ShowObject<timespec>(task, *arg, ShowTimespec);
    case 'v':
      return ShowVector(task, *arg);
    case 'b':
      return ShowBuffer(task, *arg, next);
    case 'i':
      return ShowIovecs(task, *arg, next);
    case 'a':
      return ShowSocketAddress(task, *arg, next);
    default:
      return *arg == 0 ? "0" : Format("0x%lx", *arg);
  }
}

std::string ShowOutput(Task& task, char letter, GuestAddr addr, int64_t result) {
  switch (letter) {
    case 'B':
      return ShowBuffer(task, addr, result);
    case 'P':
      return ShowObject<std::array<int, 2>>(task, addr,
                                            [](const auto& pair) { return Format("[%d, %d]", pair[0], pair[1]); });
    case 'I':
      return ShowObject<int>(task, addr, [](int value) { return Format("[0x%x]", value); });
    case 'T':
      return ShowObject<struct stat>(task, addr, [](const struct stat& st) {
        return Format("{mode=0%o, ino=%lu, size=%ld}", st.st_mode, st.st_ino, st.st_size);
      });
    case 'N':
      return ShowObject<timespec>(task, addr, ShowTimespec);
    default:
      return Format("0x%lx", addr);
  }
}

bool IsWanted(uint64_t number) {
  return number < SyscallTable::kSize ? Now().wanted[number] : Now().options.filter.empty();
}

// All arguments in hexadecimal for calls we know nothing of.
std::string_view LettersOf(uint64_t number) {
  const std::string_view letters = number < SyscallTable::kSize ? Now().letters[number] : std::string_view();
  return letters.data() != nullptr ? letters : "xxxxxx";
}

std::string Prefix(Task& task, uint64_t number) {
  std::string text = Format("[%5d:%d %s] ", task.pid(), task.tid(), EscapeBytes(task.name()).c_str());
  const std::string_view name = number < SyscallTable::kSize ? Now().names[number] : std::string_view();
  return text + (name.empty() ? Format("syscall_%lu", number) : std::string(name)) + "(";
}

std::string JoinArgs(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += (i > 0 ? ", " : "") + current.args[i];
  return text + ")";
}

std::string ResultText(const SyscallResult& result) {
  if (!result.ok()) return Format(" = -%d ", result.error().value()) + ErrnoName(result.error().value());
  const bool address = static_cast<uint64_t>(*result) > 0xffffffff;
  return address ? Format(" = 0x%lx", *result) : Format(" = %ld", *result);
}

// The stub makes the call by itself after this: what comes out is not known here.
bool IsForStub(Task& task, const SyscallRequest& request) {
  const Task::RunState& run = task.run();
  return run.registers_replaced && run.submitted && run.submitted->number == request.number;
}

// A call on a file that never blocks does not.
bool MayBlock(Task& task, std::string_view letters, const SyscallRequest& request) {
  if (!letters.starts_with("!f")) return letters.starts_with('!');
  const auto file = task.fds().Get(static_cast<int>(request.args[0]));
  return file.ok() && (*file)->wait_queue() != nullptr;
}

void TraceEnter(Task& task, const SyscallRequest& request) {
  if (!IsWanted(request.number)) return;
  std::string_view letters = LettersOf(request.number);
  const bool may_block = MayBlock(task, letters, request);
  if (letters.starts_with('!')) letters.remove_prefix(1);
  for (size_t i = 0; i < letters.size(); ++i) {
    current.args[i] =
        IsOutput(letters[i]) ? Format("0x%lx", request.args[i]) : ShowInput(task, letters[i], &request.args[i], i == 5);
  }
  if (may_block) Now().options.log(Prefix(task, request.number) + JoinArgs(letters.size()) + " ...");
  current.start_ns = Kernel::MonotonicNs();
}

void TraceExit(Task& task, const SyscallRequest& request, const SyscallResult& result) {
  if (!IsWanted(request.number)) return;
  const int64_t ns = Kernel::MonotonicNs() - current.start_ns;
  std::string_view letters = LettersOf(request.number);
  if (letters.starts_with('!')) letters.remove_prefix(1);
  for (size_t i = 0; i < letters.size(); ++i) {
    if (result.ok() && IsOutput(letters[i])) current.args[i] = ShowOutput(task, letters[i], request.args[i], *result);
  }
  const std::string duration = Format(" <%ld.%06ld>", ns / kNsPerSecond, ns % kNsPerSecond / 1000);
  const std::string outcome = IsForStub(task, request) ? " = ?" : ResultText(result);
  Now().options.log(Prefix(task, request.number) + JoinArgs(letters.size()) + outcome + duration);
}

std::string_view FormatOf(std::string_view name) {
  for (const CallFormat& format : kFormats) {
    if (name == format.name) return format.letters;
  }
  return {};
}

bool Select(Tracer& tracer, std::string_view name, std::string* error) {
  bool found = false;
  for (const SyscallRow& row : SyscallRows()) {
    if (name != row.name) continue;
    tracer.wanted.set(row.number);
    found = true;
  }
  if (!found) *error = "no system call is called \"" + std::string(name) + "\"";
  return found;
}

bool ApplyFilter(Tracer& tracer, std::string* error) {
  std::string_view filter = tracer.options.filter;
  if (filter.empty()) {
    tracer.wanted.set();
    return true;
  }
  while (!filter.empty()) {
    const size_t end = std::min(filter.find(','), filter.size());
    if (end > 0 && !Select(tracer, filter.substr(0, end), error)) return false;
    filter.remove_prefix(std::min(end + 1, filter.size()));
  }
  return true;
}

}  // namespace

const SyscallTracer* NewStrace(StraceOptions options, std::string* error) {
  static constexpr SyscallTracer kTracer{&TraceEnter, &TraceExit};
  // The one before is kept: a task may be in it. Operators do not change it often.
  auto made = std::make_unique<Tracer>(Tracer{.options = std::move(options)});
  if (!ApplyFilter(*made, error)) return nullptr;
  for (const SyscallRow& row : SyscallRows()) {
    made->names[row.number] = row.name;
    made->letters[row.number] = FormatOf(row.name);
  }
  tracer.store(made.release(), std::memory_order_release);
  return &kTracer;
}

}  // namespace runsc
