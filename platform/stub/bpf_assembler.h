// Writes classic BPF programs for seccomp, by hand: each rule is a few loads and compares.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace runsc::stub {

class BpfAssembler {
 public:
  // Loads of struct seccomp_data fields.
  void LoadNumber();
  void LoadArch();
  void LoadIpLow();
  void LoadIpHigh();
  void LoadArgLow(int arg);
  void LoadArgHigh(int arg);

  void And(uint32_t mask);
  void SaveToX();
  void AddX();

  // Returns `action` if the accumulator compares true (or, for the Unless forms, false) to k.
  void ReturnIfEqual(uint32_t k, uint32_t action);
  void ReturnUnlessEqual(uint32_t k, uint32_t action);
  void ReturnIfGreater(uint32_t k, uint32_t action);
  void ReturnIfAtLeast(uint32_t k, uint32_t action);
  void ReturnUnlessAnyBit(uint32_t mask, uint32_t action);
  void Return(uint32_t action);

  // Skips `body` (at most 255 instructions) unless the accumulator equals k / has none of the bits.
  void IfEqual(uint32_t k, const BpfAssembler& body);
  void IfNoBits(uint32_t mask, const BpfAssembler& body);

  const std::vector<sock_filter>& program() const { return program_; }

 private:
  void Load(uint32_t offset);
  void Append(const BpfAssembler& body);
  void Jump(uint16_t test, uint32_t k, size_t if_true, size_t if_false);
  std::vector<sock_filter> program_;
};

}  // namespace runsc::stub
