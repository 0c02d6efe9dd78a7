#include "platform/base/bpf_program.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace runsc {
namespace {

constexpr uint16_t kMemoryWords = BPF_MEMWORDS;

bool IsKnownAlu(const sock_filter& insn) {
  switch (BPF_OP(insn.code)) {
    case BPF_ADD:
    case BPF_SUB:
    case BPF_MUL:
    case BPF_OR:
    case BPF_AND:
    case BPF_XOR:
      return true;
    case BPF_DIV:
      return BPF_SRC(insn.code) == BPF_X || insn.k != 0;
    case BPF_LSH:
    case BPF_RSH:
      return BPF_SRC(insn.code) == BPF_X || insn.k < 32;
    case BPF_NEG:
      return BPF_SRC(insn.code) == BPF_K;
    default:
      return false;
  }
}

bool IsKnownLoad(const sock_filter& insn) {
  switch (insn.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      return insn.k < sizeof(seccomp_data) && insn.k % 4 == 0;
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
      return true;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
      return insn.k < kMemoryWords;
    default:
      return false;
  }
}

bool IsKnown(const sock_filter& insn) {
  switch (BPF_CLASS(insn.code)) {
    case BPF_LD:
    case BPF_LDX:
      return IsKnownLoad(insn);
    case BPF_ST:
    case BPF_STX:
      return insn.code == BPF_CLASS(insn.code) && insn.k < kMemoryWords;
    case BPF_ALU:
      return insn.code == (BPF_ALU | BPF_OP(insn.code) | BPF_SRC(insn.code)) && IsKnownAlu(insn);
    case BPF_JMP: {
      const uint16_t op = BPF_OP(insn.code);
      if (op == BPF_JA) return insn.code == (BPF_JMP | BPF_JA);
      const bool known = op == BPF_JEQ || op == BPF_JGT || op == BPF_JGE || op == BPF_JSET;
      return known && insn.code == (BPF_JMP | op | BPF_SRC(insn.code));
    }
    case BPF_RET:
      return insn.code == (BPF_RET | BPF_K) || insn.code == (BPF_RET | BPF_A);
    default:
      return insn.code == (BPF_MISC | BPF_TAX) || insn.code == (BPF_MISC | BPF_TXA);
  }
}

bool JumpsWithin(const sock_filter& insn, size_t pc, size_t size) {
  if (BPF_CLASS(insn.code) != BPF_JMP) return true;
  const size_t left = size - pc - 1;
  if (BPF_OP(insn.code) == BPF_JA) return insn.k < left;
  return insn.jt < left && insn.jf < left;
}

// Which scratch words are surely written wherever a path leads: a word may be read only then.
class ScratchUse {
 public:
  explicit ScratchUse(size_t size) : written_(size, 0xffff) {}

  bool Visit(const sock_filter& insn, size_t pc) {
    if (pc > 0) now_ &= written_[pc];
    switch (BPF_CLASS(insn.code)) {
      case BPF_ST:
      case BPF_STX:
        now_ |= Bit(insn);
        return true;
      case BPF_LD:
      case BPF_LDX:
        return BPF_MODE(insn.code) != BPF_MEM || (now_ & Bit(insn));
      case BPF_JMP:
        VisitJump(insn, pc);
        return true;
      case BPF_RET:
        now_ = 0xffff;  // nothing comes this way
        return true;
      default:
        return true;
    }
  }

 private:
  static uint16_t Bit(const sock_filter& insn) { return static_cast<uint16_t>(1u << insn.k); }
  void VisitJump(const sock_filter& insn, size_t pc) {
    if (BPF_OP(insn.code) == BPF_JA) {
      written_[pc + 1 + insn.k] &= now_;
    } else {
      written_[pc + 1 + insn.jt] &= now_;
      written_[pc + 1 + insn.jf] &= now_;
    }
    now_ = 0xffff;
  }

  uint16_t now_ = 0;
  std::vector<uint16_t> written_;  // by every jump to that place
};

bool IsValid(const std::vector<sock_filter>& code) {
  if (code.empty() || code.size() > BPF_MAXINSNS || BPF_CLASS(code.back().code) != BPF_RET) return false;
  ScratchUse scratch(code.size());
  for (size_t pc = 0; pc < code.size(); ++pc) {
    if (!IsKnown(code[pc]) || !JumpsWithin(code[pc], pc, code.size()) || !scratch.Visit(code[pc], pc)) return false;
  }
  return true;
}

// The two registers and the scratch words.
struct Machine {
  uint32_t a = 0, x = 0;
  uint32_t memory[kMemoryWords] = {};

  void Load(const sock_filter& insn, const seccomp_data& data, uint32_t& target) {
    switch (BPF_MODE(insn.code)) {
      case BPF_ABS:
        std::memcpy(&target, reinterpret_cast<const char*>(&data) + insn.k, sizeof(target));
        return;
      case BPF_LEN:
        target = sizeof(data);
        return;
      case BPF_MEM:
        target = memory[insn.k];
        return;
      default:
        target = insn.k;
    }
  }

  // False: a division by zero.
  bool Compute(const sock_filter& insn) {
    const uint32_t operand = BPF_SRC(insn.code) == BPF_X ? x : insn.k;
    switch (BPF_OP(insn.code)) {
      case BPF_ADD:
        a += operand;
        return true;
      case BPF_SUB:
        a -= operand;
        return true;
      case BPF_MUL:
        a *= operand;
        return true;
      case BPF_OR:
        a |= operand;
        return true;
      case BPF_AND:
        a &= operand;
        return true;
      case BPF_XOR:
        a ^= operand;
        return true;
      case BPF_LSH:
        a <<= operand & 31;
        return true;
      case BPF_RSH:
        a >>= operand & 31;
        return true;
      case BPF_NEG:
        a = 0 - a;
        return true;
      default:
        if (operand == 0) return false;
        a /= operand;
        return true;
    }
  }

  uint32_t JumpLength(const sock_filter& insn) const {
    const uint32_t operand = BPF_SRC(insn.code) == BPF_X ? x : insn.k;
    switch (BPF_OP(insn.code)) {
      case BPF_JEQ:
        return a == operand ? insn.jt : insn.jf;
      case BPF_JGT:
        return a > operand ? insn.jt : insn.jf;
      case BPF_JGE:
        return a >= operand ? insn.jt : insn.jf;
      case BPF_JSET:
        return (a & operand) != 0 ? insn.jt : insn.jf;
      default:
        return insn.k;
    }
  }
};

}  // namespace

BpfProgram::BpfProgram(std::vector<sock_filter> code) : code_(std::move(code)) {
  constexpr uint32_t kIp = offsetof(seccomp_data, instruction_pointer);
  looks_at_ip_ = std::any_of(code_.begin(), code_.end(), [](const sock_filter& insn) {
    return insn.code == (BPF_LD | BPF_W | BPF_ABS) && (insn.k == kIp || insn.k == kIp + 4);
  });
}

Result<BpfProgram> BpfProgram::Check(std::vector<sock_filter> code) {
  if (!IsValid(code)) return Errno(EINVAL);
  return BpfProgram(std::move(code));
}

uint32_t BpfProgram::Run(const seccomp_data& data) const { return *Interpret(data, sizeof(data)); }

std::optional<uint32_t> BpfProgram::RunOnNumber(int nr, uint32_t arch) const {
  seccomp_data data{};
  data.nr = nr;
  data.arch = arch;
  return Interpret(data, offsetof(seccomp_data, instruction_pointer));
}

std::optional<uint32_t> BpfProgram::Interpret(const seccomp_data& data, size_t known) const {
  Machine m;
  for (size_t pc = 0; pc < code_.size(); ++pc) {
    const sock_filter& insn = code_[pc];
    switch (BPF_CLASS(insn.code)) {
      case BPF_LD:
        if (BPF_MODE(insn.code) == BPF_ABS && insn.k >= known) return std::nullopt;
        m.Load(insn, data, m.a);
        break;
      case BPF_LDX:
        m.Load(insn, data, m.x);
        break;
      case BPF_ST:
        m.memory[insn.k] = m.a;
        break;
      case BPF_STX:
        m.memory[insn.k] = m.x;
        break;
      case BPF_JMP:
        pc += m.JumpLength(insn);
        break;
      case BPF_RET:
        return BPF_RVAL(insn.code) == BPF_A ? m.a : insn.k;
      case BPF_MISC:
        BPF_MISCOP(insn.code) == BPF_TAX ? m.x = m.a : m.a = m.x;
        break;
      default:
        if (!m.Compute(insn)) return 0;
    }
  }
  return 0;
}

}  // namespace runsc
