#include "sentry/kernel/login_session.h"

#include <linux/capability.h>

#include "sentry/kernel/task.h"

namespace runsc {

LoginSession& LoginSession::operator=(const LoginSession& other) {
  uid_ = other.uid();
  session_ = other.session();
  return *this;
}

Result<void> LoginSession::SetUid(const Task& writer, uint32_t uid) {
  static std::atomic<uint32_t> sessions{0};
  if (uid_ != kUnset && !writer.creds()->Has(CAP_AUDIT_CONTROL)) return Errno(EPERM);
  session_ = uid == kUnset ? kUnset : ++sessions;
  uid_ = uid;
  return {};
}

}  // namespace runsc
