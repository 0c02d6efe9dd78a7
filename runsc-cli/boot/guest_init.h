// The container's first process, from config.json.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/oci/spec.h"
#include "sentry/kernel/kernel.h"
#include "sentry/vfs/credentials.h"

namespace runsc {

// Identity and capabilities. CAP_NET_RAW goes unless `keep_net_raw`.
CredentialsRef InitCredentials(const SpecProcess& process, bool keep_net_raw);

// All of InitProcess but its descriptors and hook.
InitProcess MakeInitProcess(const SpecProcess& process, bool keep_net_raw);

// Where execvp would find args[0]: searched in the guest, with the container's PATH and identity. The
// error is the one runc gives.
absl::StatusOr<std::string> FindProgram(Task& task, const InitProcess& init);

// Linux's limits on arguments and environment (execve(2)): 128 KiB for one string; for all of it a
// quarter of the stack limit, at least 128 KiB and at most 6 MiB.
absl::Status CheckArgumentSize(const InitProcess& init, uint64_t stack_limit);

// Adds HOME if config.json does not set it: from the guest's /etc/passwd, else "/".
void AddHome(Task& task, InitProcess& init);

// The home directory of `uid` in the text of a passwd file; "/" if it has none.
std::string HomeOf(std::string_view passwd, uint32_t uid);
// The directories of $PATH in `env`; those of the usual default if it is not set.
std::vector<std::string> PathDirectories(const std::vector<std::string>& env);

}  // namespace runsc
