// Compiles seccomp profiles.
#include "runsc-cli/seccomp/compile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <map>
#include <set>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "syscalls/table.h"

namespace runsc {
namespace {

// Rules for one call, in order; the last one may have no conditions.
struct Branch {
  std::vector<SeccompCondition> conditions;
  uint32_t verdict = 0;

  bool operator==(const Branch& other) const {
    const auto same = [](const SeccompCondition& a, const SeccompCondition& b) {
      return a.index == b.index && a.op == b.op && a.value == b.value && a.value_two == b.value_two;
    };
    return verdict == other.verdict &&
           std::equal(conditions.begin(), conditions.end(), other.conditions.begin(), other.conditions.end(), same);
  }
};
using Branches = std::vector<Branch>;

uint32_t VerdictOf(const SeccompAction& action) {
  const uint32_t data = action.errno_ret.value_or(EPERM) & SECCOMP_RET_DATA;
  const std::string_view name = action.name;
  if (name == "SCMP_ACT_ALLOW") return SECCOMP_RET_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SECCOMP_RET_ERRNO | data;
  if (name == "SCMP_ACT_TRACE") return SECCOMP_RET_TRACE | data;
  if (name == "SCMP_ACT_TRAP") return SECCOMP_RET_TRAP;
  if (name == "SCMP_ACT_LOG") return SECCOMP_RET_LOG;
  if (name == "SCMP_ACT_KILL_PROCESS") return SECCOMP_RET_KILL_PROCESS;
  return SECCOMP_RET_KILL_THREAD;
}

std::map<std::string_view, int> NumbersByName() {
  std::map<std::string_view, int> numbers;
  for (const SyscallRow& row : SyscallRows()) numbers[row.name] = row.number;
  return numbers;
}

bool RepeatsAnArgument(const std::vector<SeccompCondition>& conditions) {
  std::set<unsigned> seen;
  for (const SeccompCondition& c : conditions) {
    if (!seen.insert(c.index).second) return true;
  }
  return false;
}

void AddRule(const SeccompRule& rule, Branches& branches) {
  const bool decided = !branches.empty() && branches.back().conditions.empty();
  if (decided) return;
  const uint32_t verdict = VerdictOf(rule.action);
  if (rule.conditions.empty()) branches.clear();
  if (RepeatsAnArgument(rule.conditions)) {
    for (const SeccompCondition& condition : rule.conditions) branches.push_back({{condition}, verdict});
  } else {
    branches.push_back({rule.conditions, verdict});
  }
}

// The program, instruction by instruction.
class Assembler {
 public:
  explicit Assembler(uint32_t default_verdict) : default_(default_verdict) {}

  // Calls from `start` up to the next piece's.
  struct Piece {
    uint32_t start = 0;
    Branches branches;
  };

  std::vector<sock_filter> Assemble(const std::vector<Piece>& pieces) {
    Load(offsetof(seccomp_data, arch));
    Jump(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0);
    Return(SECCOMP_RET_KILL_PROCESS);
    Load(offsetof(seccomp_data, nr));
    Search(pieces, 0, pieces.size());
    return std::move(code_);
  }

 private:
  void Emit(uint16_t code, uint32_t k, uint8_t jt = 0, uint8_t jf = 0) { code_.push_back({code, jt, jf, k}); }
  void Load(size_t offset) { Emit(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
  void Jump(uint16_t op, uint32_t value, uint8_t yes, uint8_t no) { Emit(BPF_JMP | op | BPF_K, value, yes, no); }
  void Return(uint32_t verdict) { Emit(BPF_RET | BPF_K, verdict); }

  // Halves the pieces until one is left.
  void Search(const std::vector<Piece>& pieces, size_t begin, size_t end) {
    if (end - begin == 1) return Decide(pieces[begin].branches);
    const size_t middle = (begin + end) / 2;
    Jump(BPF_JGE, pieces[middle].start, 0, 1);
    const size_t far = code_.size();
    Emit(BPF_JMP | BPF_JA, 0);
    Search(pieces, begin, middle);
    code_[far].k = static_cast<uint32_t>(code_.size() - far - 1);
    Search(pieces, middle, end);
  }

  void Decide(const Branches& branches) {
    for (const Branch& branch : branches) {
      const size_t begin = code_.size();
      for (const SeccompCondition& condition : branch.conditions) Check(condition);
      Return(branch.verdict);
      ResolveJumps(begin);
      if (branch.conditions.empty()) return;
    }
    Return(default_);
  }

  // Conditions jump forward to "holds" (behind them) or "fails" (behind the branch): placeholders until the branch is
  // complete.
  static constexpr uint8_t kNext = 0, kHolds = 254, kFails = 255;

  void Compare(uint16_t op, uint32_t value, uint8_t yes, uint8_t no) { Jump(op, value, yes, no); }

  void Check(const SeccompCondition& c) {
    const size_t begin = code_.size();
    const auto high = static_cast<uint32_t>(c.value >> 32), low = static_cast<uint32_t>(c.value);
    const size_t offset = offsetof(seccomp_data, args) + c.index * sizeof(uint64_t);
    const auto load_high = [&] { Load(offset + 4); };
    const auto load_low = [&] { Load(offset); };
    load_high();
    if (c.op == "SCMP_CMP_MASKED_EQ") {
      Emit(BPF_ALU | BPF_AND | BPF_K, high);
      Compare(BPF_JEQ, static_cast<uint32_t>(c.value_two >> 32), kNext, kFails);
      load_low();
      Emit(BPF_ALU | BPF_AND | BPF_K, low);
      Compare(BPF_JEQ, static_cast<uint32_t>(c.value_two), kNext, kFails);
    } else if (c.op == "SCMP_CMP_EQ") {
      Compare(BPF_JEQ, high, kNext, kFails);
      load_low();
      Compare(BPF_JEQ, low, kNext, kFails);
    } else if (c.op == "SCMP_CMP_NE") {
      Compare(BPF_JEQ, high, kNext, kHolds);
      load_low();
      Compare(BPF_JEQ, low, kFails, kNext);
    } else {
      CheckOrder(c.op, high, low, load_low);
    }
    ResolveHolds(begin);
  }

  // Greater first; what is less is what is not greater or equal.
  template <typename F>
  void CheckOrder(std::string_view op, uint32_t high, uint32_t low, F load_low) {
    const bool greater = op == "SCMP_CMP_GT" || op == "SCMP_CMP_GE";
    const uint8_t above = greater ? kHolds : kFails, below = greater ? kFails : kHolds;
    Compare(BPF_JGT, high, above, kNext);
    Compare(BPF_JEQ, high, kNext, below);
    load_low();
    const bool equal_is_above = op == "SCMP_CMP_GE" || op == "SCMP_CMP_LT";
    Compare(equal_is_above ? BPF_JGE : BPF_JGT, low, greater ? kNext : kFails, greater ? kFails : kNext);
  }

  void ResolveHolds(size_t begin) { Resolve(begin, kHolds); }
  void ResolveJumps(size_t begin) { Resolve(begin, kFails); }
  void Resolve(size_t begin, uint8_t placeholder) {
    for (size_t i = begin; i < code_.size(); ++i) {
      if (BPF_CLASS(code_[i].code) != BPF_JMP) continue;
      const auto distance = static_cast<uint8_t>(code_.size() - i - 1);
      if (code_[i].jt == placeholder) code_[i].jt = distance;
      if (code_[i].jf == placeholder) code_[i].jf = distance;
    }
  }

  const uint32_t default_;
  std::vector<sock_filter> code_;
};

bool Refuses(uint32_t verdict) {
  return verdict != SECCOMP_RET_ALLOW && verdict != SECCOMP_RET_LOG &&
         (verdict & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE;
}

// Neighbours with the same rules become one piece.
std::vector<Assembler::Piece> PiecesOf(const std::map<int, Branches>& rules, int newest, uint32_t default_verdict) {
  std::vector<Assembler::Piece> pieces;
  const auto add = [&](int number, Branches branches) {
    if (!pieces.empty() && pieces.back().branches == branches) return;
    pieces.push_back({static_cast<uint32_t>(number), std::move(branches)});
  };
  for (int number = 0; number <= newest; ++number) {
    const auto found = rules.find(number);
    add(number, found == rules.end() ? Branches() : found->second);
  }
  Branches beyond;
  if (Refuses(default_verdict) && newest >= 0) beyond.push_back({{}, SECCOMP_RET_ERRNO | ENOSYS});
  add(newest + 1, std::move(beyond));
  return pieces;
}

}  // namespace

absl::StatusOr<CompiledSeccomp> CompileSeccomp(const SpecSeccomp& profile) {
  const std::map<std::string_view, int> numbers = NumbersByName();
  const uint32_t default_verdict = VerdictOf(profile.default_action);
  std::map<int, Branches> rules;
  std::vector<std::string> unknown;
  int newest = -1;
  for (const SeccompRule& rule : profile.rules) {
    for (const std::string& name : rule.names) {
      const auto number = numbers.find(name);
      if (number == numbers.end()) {
        unknown.push_back(name);
        continue;
      }
      newest = std::max(newest, number->second);
      if (VerdictOf(rule.action) != default_verdict) AddRule(rule, rules[number->second]);
    }
  }
  Assembler assembler(default_verdict);
  Result<BpfProgram> program = BpfProgram::Check(assembler.Assemble(PiecesOf(rules, newest, default_verdict)));
  if (!program.ok()) return InvalidArgument("linux.seccomp: more rules than fit a filter of 4096 instructions");
  const bool log =
      std::find(profile.flags.begin(), profile.flags.end(), "SECCOMP_FILTER_FLAG_LOG") != profile.flags.end();
  return CompiledSeccomp{std::move(program).take(), log, std::move(unknown)};
}

}  // namespace runsc
