// What execve(2) does to credentials: set-id bits, file capabilities and the rules of capabilities(7).
#pragma once

#include <optional>
#include <string_view>

#include "sentry/vfs/credentials.h"
#include "sentry/vfs/inode.h"

namespace runsc {

struct ExecCredentials {
  CredentialsRef creds;
  bool secure = false;      // AT_SECURE
  bool privileged = false;  // more rights than before: not dumpable, no parent death signal
};

// The attribute security.capability of a program.
struct FileCapabilities {
  CapabilitySet permitted = 0, inheritable = 0;
  bool effective = false;
};
// Nothing for what the task's user namespace must not heed, or cannot be read.
std::optional<FileCapabilities> ParseFileCapabilities(std::string_view value, const UserNamespace* ns);
// Would a program's capabilities make a difference? Root has them all already.
bool HeedsFileCapabilities(const Credentials& creds);

// `honour` is false where neither set-id bits nor file capabilities count (nosuid mounts). EPERM: a
// program that relies on its capabilities cannot have them all.
Result<ExecCredentials> CredentialsAfterExec(const Credentials& old, const Attr& file, bool honour,
                                             const std::optional<FileCapabilities>& caps);

}  // namespace runsc
