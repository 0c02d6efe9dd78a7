// Host errors as absl::Status that says what was attempted on what, and back to an errno.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/base/result.h"

namespace runsc {

// "openat /x: No such file or directory", with the status code of `err` and the errno kept as a
// payload. Call it before anything that can change errno.
absl::Status HostError(int err, const char* format, ...) __attribute__((format(printf, 2, 3)));

// The errno a status made by HostError carries; for any other, the nearest one to its code.
Errno ToErrno(const absl::Status& status);

// Leaves the enclosing function with the status of `expression` unless it is OK.
#define RETURN_IF_ERROR(expression)                  \
  do {                                               \
    absl::Status return_status_ = (expression);      \
    if (!return_status_.ok()) return return_status_; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, Make()): takes the value of a StatusOr or leaves with its status.
#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_IMPL_(RUNSC_CONCAT_(statusor_, __LINE__), target, expression)
#define ASSIGN_OR_RETURN_IMPL_(temporary, target, expression) \
  auto temporary = (expression);                              \
  if (!temporary.ok()) return temporary.status();             \
  target = *std::move(temporary)
#define RUNSC_CONCAT_(a, b) RUNSC_CONCAT_INNER_(a, b)
#define RUNSC_CONCAT_INNER_(a, b) a##b

}  // namespace runsc
