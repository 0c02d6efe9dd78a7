// Runs a seccomp program on a system call, to know what the kernel would do.
#include "platform/host/bpf_interpreter.h"

#include <cstring>

namespace runsc {
namespace {

class Machine {
 public:
  Machine(std::span<const sock_filter> program, const seccomp_data& data)
      : program_(program), data_(data) {}

  std::optional<uint32_t> Run() {
    while (pc_ < program_.size()) {
      const sock_filter& insn = program_[pc_++];
      if (BPF_CLASS(insn.code) == BPF_RET) return Return(insn);
      if (!Step(insn)) return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  uint32_t Return(const sock_filter& insn) const {
    return BPF_RVAL(insn.code) == BPF_A ? a_ : insn.k;
  }

  bool Step(const sock_filter& insn) {
    switch (BPF_CLASS(insn.code)) {
      case BPF_LD: return Load(insn, &a_);
      case BPF_LDX: return Load(insn, &x_);
      case BPF_ST: return Store(insn.k, a_);
      case BPF_STX: return Store(insn.k, x_);
      case BPF_ALU: return Compute(insn);
      case BPF_JMP: return Jump(insn);
      case BPF_MISC: return Transfer(insn);
    }
    return false;
  }

  bool Load(const sock_filter& insn, uint32_t* target) {
    switch (BPF_MODE(insn.code)) {
      case BPF_IMM: *target = insn.k; return true;
      case BPF_ABS: return LoadData(insn, target);
      case BPF_MEM: return insn.k < BPF_MEMWORDS && (*target = scratch_[insn.k], true);
      case BPF_LEN: *target = sizeof(data_); return true;
    }
    return false;
  }

  bool LoadData(const sock_filter& insn, uint32_t* target) {
    if (BPF_SIZE(insn.code) != BPF_W || insn.k % 4 != 0 || insn.k >= sizeof(data_)) return false;
    memcpy(target, reinterpret_cast<const char*>(&data_) + insn.k, sizeof(*target));
    return true;
  }

  bool Store(uint32_t slot, uint32_t value) {
    if (slot >= BPF_MEMWORDS) return false;
    scratch_[slot] = value;
    return true;
  }

  bool Compute(const sock_filter& insn) {
    uint32_t operand = Operand(insn);
    switch (BPF_OP(insn.code)) {
      case BPF_ADD: a_ += operand; return true;
      case BPF_SUB: a_ -= operand; return true;
      case BPF_MUL: a_ *= operand; return true;
      case BPF_OR: a_ |= operand; return true;
      case BPF_AND: a_ &= operand; return true;
      case BPF_XOR: a_ ^= operand; return true;
      case BPF_LSH: a_ <<= operand & 31; return true;
      case BPF_RSH: a_ >>= operand & 31; return true;
      case BPF_NEG: a_ = 0 - a_; return true;
    }
    return false;
  }

  bool Jump(const sock_filter& insn) {
    if (BPF_OP(insn.code) == BPF_JA) {
      pc_ += insn.k;
      return true;
    }
    uint32_t operand = Operand(insn);
    bool taken;
    switch (BPF_OP(insn.code)) {
      case BPF_JEQ: taken = a_ == operand; break;
      case BPF_JGT: taken = a_ > operand; break;
      case BPF_JGE: taken = a_ >= operand; break;
      case BPF_JSET: taken = (a_ & operand) != 0; break;
      default: return false;
    }
    pc_ += taken ? insn.jt : insn.jf;
    return true;
  }

  bool Transfer(const sock_filter& insn) {
    if (BPF_MISCOP(insn.code) == BPF_TAX) {
      x_ = a_;
    } else {
      a_ = x_;
    }
    return true;
  }

  uint32_t Operand(const sock_filter& insn) const {
    return BPF_SRC(insn.code) == BPF_X ? x_ : insn.k;
  }

  std::span<const sock_filter> program_;
  const seccomp_data& data_;
  size_t pc_ = 0;
  uint32_t a_ = 0, x_ = 0;
  uint32_t scratch_[BPF_MEMWORDS] = {};
};

}  // namespace

std::optional<uint32_t> RunFilter(std::span<const sock_filter> program, const seccomp_data& data) {
  return Machine(program, data).Run();
}

}  // namespace runsc
