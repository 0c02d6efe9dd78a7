// A seccomp filter program, checked once, then run on system calls as the host kernel would (seccomp(2)).
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "platform/base/result.h"

namespace runsc {

class BpfProgram {
 public:
  // EINVAL unless it is one that Linux would take: known instructions, loads within seccomp_data, jumps that
  // lead forward within the program, no scratch word read before it was written, an end in every path.
  static Result<BpfProgram> Check(std::vector<sock_filter> code);

  // Bounded by the program's length. A division by zero gives 0, which kills.
  uint32_t Run(const seccomp_data& data) const;
  // What it says of a call whatever the arguments and wherever it is made; nothing if it looks at those.
  std::optional<uint32_t> RunOnNumber(int nr, uint32_t arch) const;
  size_t size() const { return code_.size(); }
  bool looks_at_instruction_pointer() const { return looks_at_ip_; }

 private:
  explicit BpfProgram(std::vector<sock_filter> code);
  // `known`: bytes of `data` that may be looked at.
  std::optional<uint32_t> Interpret(const seccomp_data& data, size_t known) const;

  std::vector<sock_filter> code_;
  bool looks_at_ip_ = false;
};

}  // namespace runsc
