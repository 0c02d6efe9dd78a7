// The initial stack of a program: argument and environment strings, their vectors, the auxiliary vector.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "platform/platform.h"

namespace runsc {

struct StackRequest {
  GuestAddr top = 0;  // one past the highest usable byte
  const std::vector<std::string>* argv = nullptr;
  const std::vector<std::string>* envp = nullptr;
  std::string filename;                             // AT_EXECFN
  std::string random;                               // 16 bytes
  std::vector<std::pair<uint64_t, uint64_t>> auxv;  // without AT_EXECFN, AT_RANDOM, AT_PLATFORM, AT_NULL
};

struct StackImage {
  GuestAddr sp = 0;   // where `bytes` go, and the initial stack pointer
  std::string bytes;  // up to request.top
  GuestAddr arg_start = 0, arg_end = 0, env_start = 0, env_end = 0;
  std::string auxv;  // as in /proc/PID/auxv
};

StackImage BuildStack(const StackRequest& request);

}  // namespace runsc
