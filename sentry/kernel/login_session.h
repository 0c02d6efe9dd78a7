// Who logged in, and in which session (/proc/PID/{loginuid,sessionid}): set once by what lets users in, pam_loginuid
// for one, and inherited from then on.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/base/result.h"

namespace runsc {

class Task;

class LoginSession {
 public:
  static constexpr uint32_t kUnset = ~0u;  // no uid, no session

  LoginSession() = default;
  LoginSession& operator=(const LoginSession& other);  // inherits
  uint32_t uid() const { return uid_; }
  uint32_t session() const { return session_; }
  // kUnset: nobody. EPERM: once it is set, changing it takes CAP_AUDIT_CONTROL.
  Result<void> SetUid(const Task& writer, uint32_t uid);

 private:
  std::atomic<uint32_t> uid_{kUnset}, session_{kUnset};
};

}  // namespace runsc
