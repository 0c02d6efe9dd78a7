// Allow-lists of host system calls as data, compiled to seccomp programs.
#include "platform/host/seccomp_filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/base/unique_fd.h"
#include "platform/host/status_util.h"

namespace runsc {
namespace {

struct ReleaseContext {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseContext>;

// libseccomp only compares for (in)equality without a mask, so "bits not all set" cannot be written
// with one; nobody needs it.
scmp_arg_cmp ToCompare(const ArgRule& rule) {
  if (rule.compare == ArgRule::kNotEqual) return {rule.index, SCMP_CMP_NE, rule.value, 0};
  return {rule.index, SCMP_CMP_MASKED_EQ, rule.mask, rule.value};
}

absl::Status AddCall(scmp_filter_ctx context, const AllowedCall& call) {
  std::vector<scmp_arg_cmp> compares;
  for (const ArgRule& rule : call.args) compares.push_back(ToCompare(rule));
  uint32_t action = call.answer_errno == 0
                        ? SCMP_ACT_ALLOW
                        : SCMP_ACT_ERRNO(static_cast<uint16_t>(call.answer_errno));
  int rv = seccomp_rule_add_array(context, action, call.number,
                                  static_cast<unsigned>(compares.size()), compares.data());
  if (rv != 0) return HostError(-rv, "add system call %d to a filter", call.number);
  return absl::OkStatus();
}

// libseccomp writes programs to descriptors only.
absl::StatusOr<SeccompProgram> Export(scmp_filter_ctx context) {
  UniqueFd fd(memfd_create("filter", MFD_CLOEXEC));
  if (!fd.valid()) return HostError(errno, "memfd_create");
  if (int rv = seccomp_export_bpf(context, fd.get()); rv != 0) return HostError(-rv, "export filter");
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return HostError(errno, "fstat of the filter");
  SeccompProgram program(static_cast<size_t>(st.st_size) / sizeof(sock_filter));
  size_t bytes = program.size() * sizeof(sock_filter);
  if (pread(fd.get(), program.data(), bytes, 0) != static_cast<ssize_t>(bytes)) {
    return HostError(errno, "read the filter back");
  }
  return program;
}

}  // namespace

ArgRule ArgIs(unsigned index, uint32_t value) {
  return {ArgRule::kEqual, index, 0xffffffff, value};
}
ArgRule ArgHasBits(unsigned index, uint64_t bits) { return {ArgRule::kEqual, index, bits, bits}; }
ArgRule ArgLacksBits(unsigned index, uint64_t bits) { return {ArgRule::kEqual, index, bits, 0}; }
ArgRule ArgBits(unsigned index, uint64_t set, uint64_t clear) {
  return {ArgRule::kEqual, index, set | clear, set};
}

absl::StatusOr<SeccompProgram> CompileFilter(std::span<const AllowedCall> calls) {
  Context context(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (context == nullptr) return absl::ResourceExhaustedError("seccomp_init failed");
  seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a tree, not a list
  for (const AllowedCall& call : calls) RETURN_IF_ERROR(AddCall(context.get(), call));
  return Export(context.get());
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
