// Host errors as absl::Status that says what was attempted on what, and back to an errno.
#include "platform/host/status_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace runsc {
namespace {

constexpr char kErrnoPayload[] = "runsc/errno";

// For statuses that did not come from the host: what a guest would be told.
int ErrnoOfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
      return EINVAL;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kAlreadyExists:
      return EEXIST;
    case absl::StatusCode::kPermissionDenied:
      return EACCES;
    case absl::StatusCode::kResourceExhausted:
      return ENOMEM;
    case absl::StatusCode::kUnimplemented:
      return ENOSYS;
    case absl::StatusCode::kDeadlineExceeded:
      return ETIMEDOUT;
    default:
      return EIO;
  }
}

}  // namespace

absl::Status HostError(int err, const char* format, ...) {
  char what[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof(what), format, args);
  va_end(args);
  const char* why = strerrordesc_np(err);
  absl::Status status(absl::ErrnoToStatusCode(err), absl::StrCat(what, ": ", why != nullptr ? why : "unknown error"));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(err)));
  return status;
}

Errno ToErrno(const absl::Status& status) {
  int value = 0;
  auto payload = status.GetPayload(kErrnoPayload);
  if (payload && absl::SimpleAtoi(std::string(*payload), &value)) return Errno(value);
  return Errno(ErrnoOfCode(status.code()));
}

}  // namespace runsc
