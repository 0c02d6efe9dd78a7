// Allow-lists of host system calls as data, compiled to seccomp programs.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace runsc {

// A condition on one argument: (argument & mask) == value.
struct ArgRule {
  unsigned index = 0;
  uint64_t mask = ~uint64_t{0};
  uint64_t value = 0;
};

// For arguments the kernel declares as int: only the low half counts.
ArgRule ArgIs(unsigned index, uint32_t value);
// All of `bits` set, or none of them.
ArgRule ArgHasBits(unsigned index, uint64_t bits);
ArgRule ArgLacksBits(unsigned index, uint64_t bits);
ArgRule ArgBits(unsigned index, uint64_t set, uint64_t clear);  // both in one: one rule per argument

// One allowed call. Several rows of one number are alternatives; the conditions of a row must all
// hold. What no row allows kills the process.
struct AllowedCall {
  int number;
  const char* reason;  // what needs it, for people who review the list
  std::vector<ArgRule> args;
  int answer_errno = 0;  // not executed but answered with this errno: for probing libraries
};

using SeccompProgram = std::vector<sock_filter>;

// A binary search over the numbers, then the rows of the number in order. Other architectures and
// x32 are killed whatever the list says. Written here rather than by libseccomp, which takes a
// millisecond of every start; a test holds both to the same answers.
absl::StatusOr<SeccompProgram> CompileFilter(std::span<const AllowedCall> calls);

// Installs the program in every thread of the process, now and for good. Sets no_new_privs.
absl::Status InstallFilter(const SeccompProgram& program);

// Whether filters of this host may answer with `action` (SECCOMP_RET_*).
bool HostHasFilterAction(uint32_t action);

// What a review would reject: rows without a reason, or equal ones. Empty if all is well.
std::vector<std::string> ReviewFilter(std::span<const AllowedCall> calls);

// How many different system calls the list lets through.
size_t CountCalls(std::span<const AllowedCall> calls);

}  // namespace runsc
