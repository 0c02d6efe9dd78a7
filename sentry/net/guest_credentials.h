// Process and user numbers of a socket's credentials, as a task's own namespaces count them.
#pragma once

#include <sys/socket.h>

#include "sentry/kernel/pids.h"
#include "sentry/vfs/user_namespace.h"

namespace runsc {

// What `viewer` is told; a process he cannot see is 0, "unset" ids stay.
inline ucred CredentialsToGuest(const Task& viewer, const ucred& c) {
  const UserNamespace* ns = viewer.creds()->user_ns.get();
  const auto show = [&](uint32_t id, auto to_guest) { return id == ~uint32_t{0} ? id : to_guest(ns, id); };
  return {c.pid > 0 ? PidToGuest(viewer, c.pid) : c.pid, show(c.uid, UidToGuest), show(c.gid, GidToGuest)};
}

// EINVAL for ids that its user namespace does not know, as Linux says of SCM_CREDENTIALS.
inline Result<ucred> CredentialsFromGuest(const Task& sender, const ucred& c) {
  const UserNamespace* ns = sender.creds()->user_ns.get();
  const auto uid = IdFromGuest(ns, UserNamespace::kUsers, c.uid);
  const auto gid = IdFromGuest(ns, UserNamespace::kGroups, c.gid);
  if (!uid || !gid) return Errno(EINVAL);
  return ucred{PidFromGuest(sender, c.pid), *uid, *gid};
}

}  // namespace runsc
