// What the runtime itself does to a guest's files is done as root, whoever init is.
#pragma once

#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

inline CredentialsRef RootCredentials() {
  auto creds = MakeRef<Credentials>();
  creds->permitted = creds->effective = creds->bounding = kAllCapabilities;
  return creds;
}

inline Resolver RuntimeResolver(Task& task) { return {task, task.fs().root(), RootCredentials()}; }

}  // namespace runsc
