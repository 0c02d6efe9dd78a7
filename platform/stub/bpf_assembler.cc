// See bpf_assembler.h.
#include "platform/stub/bpf_assembler.h"

#include <linux/seccomp.h>

#include <cstddef>
#include <cstdlib>

namespace runsc::stub {

void BpfAssembler::Load(uint32_t offset) { program_.push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, offset}); }
void BpfAssembler::LoadNumber() { Load(offsetof(seccomp_data, nr)); }
void BpfAssembler::LoadArch() { Load(offsetof(seccomp_data, arch)); }
void BpfAssembler::LoadIpLow() { Load(offsetof(seccomp_data, instruction_pointer)); }
void BpfAssembler::LoadIpHigh() { Load(offsetof(seccomp_data, instruction_pointer) + 4); }
void BpfAssembler::LoadArgLow(int arg) {
  Load(static_cast<uint32_t>(offsetof(seccomp_data, args)) + 8 * static_cast<uint32_t>(arg));
}
void BpfAssembler::LoadArgHigh(int arg) {
  Load(static_cast<uint32_t>(offsetof(seccomp_data, args)) + 8 * static_cast<uint32_t>(arg) + 4);
}

void BpfAssembler::And(uint32_t mask) { program_.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, mask}); }
void BpfAssembler::SaveToX() { program_.push_back({BPF_MISC | BPF_TAX, 0, 0, 0}); }
void BpfAssembler::AddX() { program_.push_back({BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0}); }

void BpfAssembler::Jump(uint16_t test, uint32_t k, size_t if_true, size_t if_false) {
  if (if_true > 255 || if_false > 255) abort();  // our own program is too long for one jump
  program_.push_back({static_cast<uint16_t>(BPF_JMP | test | BPF_K), static_cast<uint8_t>(if_true),
                      static_cast<uint8_t>(if_false), k});
}

void BpfAssembler::Return(uint32_t action) { program_.push_back({BPF_RET | BPF_K, 0, 0, action}); }

void BpfAssembler::ReturnIfEqual(uint32_t k, uint32_t action) {
  Jump(BPF_JEQ, k, 0, 1);
  Return(action);
}
void BpfAssembler::ReturnUnlessEqual(uint32_t k, uint32_t action) {
  Jump(BPF_JEQ, k, 1, 0);
  Return(action);
}
void BpfAssembler::ReturnIfGreater(uint32_t k, uint32_t action) {
  Jump(BPF_JGT, k, 0, 1);
  Return(action);
}
void BpfAssembler::ReturnIfAtLeast(uint32_t k, uint32_t action) {
  Jump(BPF_JGE, k, 0, 1);
  Return(action);
}
void BpfAssembler::ReturnUnlessAnyBit(uint32_t mask, uint32_t action) {
  Jump(BPF_JSET, mask, 1, 0);
  Return(action);
}

void BpfAssembler::Append(const BpfAssembler& body) {
  program_.insert(program_.end(), body.program_.begin(), body.program_.end());
}
void BpfAssembler::IfEqual(uint32_t k, const BpfAssembler& body) {
  Jump(BPF_JEQ, k, 0, body.program_.size());
  Append(body);
}
void BpfAssembler::IfNoBits(uint32_t mask, const BpfAssembler& body) {
  Jump(BPF_JSET, mask, body.program_.size(), 0);
  Append(body);
}

}  // namespace runsc::stub
