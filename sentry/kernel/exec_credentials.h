// What execve(2) does to credentials: set-id bits and the capability rules of capabilities(7).
#pragma once

#include "sentry/vfs/credentials.h"
#include "sentry/vfs/inode.h"

namespace runsc {

struct ExecCredentials {
  CredentialsRef creds;
  bool secure = false;      // AT_SECURE
  bool privileged = false;  // set-id took effect: not dumpable, no parent death signal
};

// `honour_set_id` is false on nosuid mounts.
ExecCredentials CredentialsAfterExec(const Credentials& old, const Attr& file, bool honour_set_id);

}  // namespace runsc
