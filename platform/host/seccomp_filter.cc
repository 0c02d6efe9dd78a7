// Allow-lists of host system calls as data, compiled to seccomp programs.
#include "platform/host/seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/host/status_util.h"

namespace runsc {
namespace {

constexpr sock_filter kKill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
constexpr uint32_t kX32Bit = 0x40000000;

using Rows = std::vector<const AllowedCall*>;  // of one number
using Table = std::vector<std::pair<uint32_t, Rows>>;

Table GroupByNumber(std::span<const AllowedCall> calls) {
  std::map<uint32_t, Rows> groups;
  for (const AllowedCall& call : calls) groups[static_cast<uint32_t>(call.number)].push_back(&call);
  return Table(groups.begin(), groups.end());
}

class Assembler {
 public:
  SeccompProgram Assemble(const Table& table) {
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    Add(kKill);
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    if (table.empty()) {
      Add(kKill);
    } else {
      Search(table);
    }
    return std::move(program_);
  }

 private:
  void Add(sock_filter insn) { program_.push_back(insn); }

  // Conditional jumps reach 255 instructions only: the far half is reached by a plain one.
  void Search(std::span<const Table::value_type> table) {
    if (table.size() == 1) return Answer(table[0].first, table[0].second);
    auto low = table.first(table.size() / 2), high = table.subspan(table.size() / 2);
    Add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, high[0].first, 0, 1));
    size_t far = program_.size();
    Add(BPF_STMT(BPF_JMP | BPF_JA, 0));
    Search(low);
    program_[far].k = static_cast<uint32_t>(program_.size() - far - 1);
    Search(high);
  }

  void Answer(uint32_t number, const Rows& rows) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 1, 0));
    Add(kKill);
    for (const AllowedCall* row : rows) Row(*row);
    Add(kKill);
  }

  void Row(const AllowedCall& row) {
    misses_.clear();
    for (const ArgRule& rule : row.args) {
      size_t offset = offsetof(seccomp_data, args) + rule.index * sizeof(uint64_t);
      Half(offset, static_cast<uint32_t>(rule.mask), static_cast<uint32_t>(rule.value));
      Half(offset + 4, static_cast<uint32_t>(rule.mask >> 32), static_cast<uint32_t>(rule.value >> 32));
    }
    Add(BPF_STMT(BPF_RET | BPF_K, row.answer_errno == 0 ? SECCOMP_RET_ALLOW
                                                        : SECCOMP_RET_ERRNO | static_cast<uint32_t>(row.answer_errno)));
    for (size_t miss : misses_) {  // on to the next row
      program_[miss].jf = static_cast<uint8_t>(program_.size() - miss - 1);
    }
  }

  void Half(size_t offset, uint32_t mask, uint32_t value) {
    if (mask == 0) return;
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
    if (mask != ~0u) Add(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
    misses_.push_back(program_.size());
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
  }

  SeccompProgram program_;
  std::vector<size_t> misses_;
};

absl::Status CheckRow(const AllowedCall& call) {
  bool number_ok = call.number >= 0 && static_cast<uint32_t>(call.number) < kX32Bit;
  bool args_ok = call.args.size() <= 6;
  for (const ArgRule& rule : call.args) {
    args_ok = args_ok && rule.index < 6 && (rule.value & ~rule.mask) == 0;
  }
  if (number_ok && args_ok) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("filter row of system call ", call.number));
}

}  // namespace

ArgRule ArgIs(unsigned index, uint32_t value) { return {index, 0xffffffff, value}; }
ArgRule ArgHasBits(unsigned index, uint64_t bits) { return {index, bits, bits}; }
ArgRule ArgLacksBits(unsigned index, uint64_t bits) { return {index, bits, 0}; }
ArgRule ArgBits(unsigned index, uint64_t set, uint64_t clear) { return {index, set | clear, set}; }

absl::StatusOr<SeccompProgram> CompileFilter(std::span<const AllowedCall> calls) {
  for (const AllowedCall& call : calls) RETURN_IF_ERROR(CheckRow(call));
  SeccompProgram program = Assembler().Assemble(GroupByNumber(calls));
  if (program.size() > BPF_MAXINSNS) return absl::ResourceExhaustedError("filter too long");
  return program;
}

absl::Status InstallFilter(const SeccompProgram& program) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return HostError(errno, "set no_new_privs");
  sock_fprog fprog{.len = static_cast<unsigned short>(program.size()),
                   .filter = const_cast<sock_filter*>(program.data())};
  long rv = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &fprog);
  if (rv > 0) return absl::InternalError(absl::StrCat("thread ", rv, " cannot take the filter"));
  if (rv == 0) return absl::OkStatus();
  if (errno == ENOSYS || errno == EINVAL) {
    return absl::Status(absl::StatusCode::kUnimplemented,
                        "the host kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)");
  }
  return HostError(errno, "install a system call filter");
}

bool HostHasFilterAction(uint32_t action) { return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0; }

std::vector<std::string> ReviewFilter(std::span<const AllowedCall> calls) {
  std::vector<std::string> complaints;
  std::set<int> unconditional;
  for (const AllowedCall& call : calls) {
    bool reasoned = call.reason != nullptr && std::string_view(call.reason).size() >= 8;
    if (!reasoned) complaints.push_back(absl::StrCat("call ", call.number, " has no reason"));
    if (unconditional.count(call.number) != 0) {
      complaints.push_back(absl::StrCat("call ", call.number, " was already allowed"));
    }
    if (call.args.empty()) unconditional.insert(call.number);
  }
  return complaints;
}

size_t CountCalls(std::span<const AllowedCall> calls) {
  std::set<int> numbers;
  for (const AllowedCall& call : calls) {
    if (call.answer_errno == 0) numbers.insert(call.number);
  }
  return numbers.size();
}

}  // namespace runsc
