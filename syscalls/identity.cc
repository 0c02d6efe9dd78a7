// Users, groups and capabilities: credentials(7), capabilities(7).
#include "syscalls/identity.h"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#include <algorithm>

#include "sentry/kernel/pids.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint32_t kUnchanged = ~0u;
constexpr int kMaxGroups = 65536;
constexpr CapabilitySet kFilesystemCaps = (CapabilitySet{1} << CAP_CHOWN) | (CapabilitySet{1} << CAP_DAC_OVERRIDE) |
                                          (CapabilitySet{1} << CAP_DAC_READ_SEARCH) | (CapabilitySet{1} << CAP_FOWNER) |
                                          (CapabilitySet{1} << CAP_FSETID) | (CapabilitySet{1} << CAP_MKNOD) |
                                          (CapabilitySet{1} << CAP_LINUX_IMMUTABLE) |
                                          (CapabilitySet{1} << CAP_MAC_OVERRIDE);

// Root and its capabilities are those of the namespace.
bool IsNamespaceRoot(const Credentials& c, uid_t id) {
  return FindGuestId(c.user_ns.get(), UserNamespace::kUsers, id) == uint32_t{0};
}

bool IsRootAnywhere(const Credentials& c) {
  return IsNamespaceRoot(c, c.ruid) || IsNamespaceRoot(c, c.euid) || IsNamespaceRoot(c, c.suid);
}

// What leaving or becoming root does to capabilities, unless securebits say otherwise.
void FixUpCapabilities(const Credentials& old, Credentials& creds) {
  if (old.securebits & SECBIT_NO_SETUID_FIXUP) return;
  if (IsRootAnywhere(old) && !IsRootAnywhere(creds)) {
    if (!(old.securebits & SECBIT_KEEP_CAPS)) creds.permitted = creds.effective = 0;
    creds.ambient = 0;
  }
  const bool was_root = IsNamespaceRoot(old, old.euid), is_root = IsNamespaceRoot(creds, creds.euid);
  if (was_root && !is_root) creds.effective = 0;
  if (!was_root && is_root) creds.effective = creds.permitted;
}

void FixUpFilesystemCapabilities(const Credentials& old, Credentials& creds) {
  if (old.securebits & SECBIT_NO_SETUID_FIXUP) return;
  const bool was_root = IsNamespaceRoot(old, old.fsuid), is_root = IsNamespaceRoot(creds, creds.fsuid);
  if (was_root && !is_root) creds.effective &= ~kFilesystemCaps;
  if (!was_root && is_root) creds.effective |= creds.permitted & kFilesystemCaps;
}

SyscallResult Publish(Task& task, const Credentials& old, RefPtr<Credentials> creds) {
  if (creds->euid != old.euid || creds->egid != old.egid || creds->fsuid != old.fsuid || creds->fsgid != old.fsgid) {
    MutexLock l(task.kernel().task_set_mu());
    task.thread_group().dumpable = false;
    task.pdeath_signal = 0;
  }
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

// Ids as the task's user namespace counts them. EINVAL: it has no such one.
Result<uint32_t> IdIn(Task& task, UserNamespace::Kind kind, uint32_t id) {
  if (id == kUnchanged) return id;
  const auto known = IdFromGuest(task.creds()->user_ns.get(), kind, id);
  return known ? Result<uint32_t>(*known) : Errno(EINVAL);
}
Result<uint32_t> UidIn(Task& task, uint32_t id) { return IdIn(task, UserNamespace::kUsers, id); }
Result<uint32_t> GidIn(Task& task, uint32_t id) { return IdIn(task, UserNamespace::kGroups, id); }
uint32_t UidOut(Task& task, uint32_t id) { return UidToGuest(task.creds()->user_ns.get(), id); }
uint32_t GidOut(Task& task, uint32_t id) { return GidToGuest(task.creds()->user_ns.get(), id); }

bool MaySetGroups(const Credentials& creds) {
  const UserNamespace* ns = creds.user_ns.get();
  if (ns != nullptr && (!ns->allows_setgroups() || ns->map(UserNamespace::kGroups) == nullptr)) return false;
  return creds.HasOwn(CAP_SETGID);
}

bool IsOneOf(uint32_t id, uint32_t a, uint32_t b, uint32_t c) {
  return id == kUnchanged || id == a || id == b || id == c;
}

Result<void> CopyOutIds(Task& task, GuestAddr a, GuestAddr b, GuestAddr c, const uint32_t (&ids)[3]) {
  TRY(task.CopyOutObject(a, ids[0]));
  TRY(task.CopyOutObject(b, ids[1]));
  return task.CopyOutObject(c, ids[2]);
}

struct CapHeader {
  uint32_t version;
  int32_t pid;
};

struct CapData {
  uint32_t effective, permitted, inheritable;
};

// How many CapData the version has; an unknown one is answered with the preferred.
Result<int> CapWords(Task& task, GuestAddr addr, CapHeader& header) {
  header = TRY(task.CopyInObject<CapHeader>(addr));
  switch (header.version) {
    case _LINUX_CAPABILITY_VERSION_1:
      return 1;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3:
      return 2;
    default: {
      const uint32_t preferred = _LINUX_CAPABILITY_VERSION_3;
      TRY(task.CopyOut(addr, &preferred, sizeof(preferred)));
      return Errno(EINVAL);
    }
  }
}

Result<CredentialsRef> CredsOfPid(Task& task, int pid) {
  if (pid < 0) return Errno(EINVAL);
  if (pid == 0) return task.creds();
  const RefPtr<Task> other = task.kernel().FindTask(PidFromGuest(task, pid));
  if (!other) return Errno(ESRCH);
  return other->CredsSnapshot();
}

CapabilitySet Join(const CapData* data, uint32_t CapData::*field, int words) {
  CapabilitySet set = data[0].*field;
  if (words == 2) set |= CapabilitySet{data[1].*field} << 32;
  return set & kAllCapabilities;
}

SyscallResult SetCapabilities(Task& task, CapabilitySet effective, CapabilitySet permitted, CapabilitySet inheritable) {
  const CredentialsRef old = task.creds();
  if ((inheritable & ~(old->inheritable | old->permitted)) && !old->HasOwn(CAP_SETPCAP)) return Errno(EPERM);
  if (inheritable & ~(old->inheritable | old->bounding)) return Errno(EPERM);
  if (permitted & ~old->permitted) return Errno(EPERM);
  if (effective & ~permitted) return Errno(EPERM);
  auto creds = old->Copy();
  creds->effective = effective;
  creds->permitted = permitted;
  creds->inheritable = inheritable;
  creds->ambient &= permitted & inheritable;
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

SyscallResult AmbientPrctl(Task& task, uint64_t what, uint64_t cap, uint64_t a4, uint64_t a5) {
  if (a4 || a5) return Errno(EINVAL);
  auto creds = task.creds()->Copy();
  if (what == PR_CAP_AMBIENT_CLEAR_ALL) {
    if (cap != 0) return Errno(EINVAL);
    creds->ambient = 0;
    task.SetCreds(std::move(creds));
    return int64_t{0};
  }
  if (cap > CAP_LAST_CAP) return Errno(EINVAL);
  const CapabilitySet bit = CapabilitySet{1} << cap;
  if (what == PR_CAP_AMBIENT_IS_SET) return int64_t{(creds->ambient & bit) != 0};
  if (what == PR_CAP_AMBIENT_LOWER) {
    creds->ambient &= ~bit;
  } else if (what == PR_CAP_AMBIENT_RAISE) {
    if (!(creds->permitted & creds->inheritable & bit) || (creds->securebits & SECBIT_NO_CAP_AMBIENT_RAISE)) {
      return Errno(EPERM);
    }
    creds->ambient |= bit;
  } else {
    return Errno(EINVAL);
  }
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

SyscallResult SetSecurebits(Task& task, uint64_t bits) {
  const CredentialsRef old = task.creds();
  const uint32_t locked = (old->securebits & SECURE_ALL_LOCKS) >> 1;
  if (bits & ~uint64_t{SECURE_ALL_LOCKS | SECURE_ALL_BITS}) return Errno(EPERM);
  if ((locked & (old->securebits ^ bits)) || (old->securebits & SECURE_ALL_LOCKS & ~bits)) return Errno(EPERM);
  if (!old->HasOwn(CAP_SETPCAP)) return Errno(EPERM);
  auto creds = old->Copy();
  creds->securebits = static_cast<uint32_t>(bits);
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

SyscallResult SetKeepCaps(Task& task, uint64_t value) {
  if (value > 1) return Errno(EINVAL);
  if (task.creds()->securebits & SECBIT_KEEP_CAPS_LOCKED) return Errno(EPERM);
  auto creds = task.creds()->Copy();
  creds->securebits = value ? creds->securebits | SECBIT_KEEP_CAPS : creds->securebits & ~SECBIT_KEEP_CAPS;
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

SyscallResult DropBounding(Task& task, uint64_t cap) {
  if (!task.creds()->HasOwn(CAP_SETPCAP)) return Errno(EPERM);
  if (cap > CAP_LAST_CAP) return Errno(EINVAL);
  auto creds = task.creds()->Copy();
  creds->bounding &= ~(CapabilitySet{1} << cap);
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

}  // namespace

SyscallResult CapabilityPrctl(Task& task, int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) {
  switch (option) {
    case PR_CAPBSET_READ:
      if (a2 > CAP_LAST_CAP) return Errno(EINVAL);
      return static_cast<int64_t>((task.creds()->bounding >> a2) & 1);
    case PR_CAPBSET_DROP:
      return DropBounding(task, a2);
    case PR_CAP_AMBIENT:
      return AmbientPrctl(task, a2, a3, a4, a5);
    case PR_GET_SECUREBITS:
      return int64_t{task.creds()->securebits};
    case PR_SET_SECUREBITS:
      return SetSecurebits(task, a2);
    case PR_GET_KEEPCAPS:
      return int64_t{(task.creds()->securebits & SECBIT_KEEP_CAPS) != 0};
    default:
      return SetKeepCaps(task, a2);
  }
}

// getuid(2), geteuid(2), getgid(2), getegid(2)
SyscallResult SysGetuid(Task& task) { return int64_t{UidOut(task, task.creds()->ruid)}; }
SyscallResult SysGeteuid(Task& task) { return int64_t{UidOut(task, task.creds()->euid)}; }
SyscallResult SysGetgid(Task& task) { return int64_t{GidOut(task, task.creds()->rgid)}; }
SyscallResult SysGetegid(Task& task) { return int64_t{GidOut(task, task.creds()->egid)}; }

// getresuid(2)
SyscallResult SysGetresuid(Task& task, GuestAddr r, GuestAddr e, GuestAddr s) {
  const CredentialsRef c = task.creds();
  TRY(CopyOutIds(task, r, e, s, {UidOut(task, c->ruid), UidOut(task, c->euid), UidOut(task, c->suid)}));
  return int64_t{0};
}

// getresgid(2)
SyscallResult SysGetresgid(Task& task, GuestAddr r, GuestAddr e, GuestAddr s) {
  const CredentialsRef c = task.creds();
  TRY(CopyOutIds(task, r, e, s, {GidOut(task, c->rgid), GidOut(task, c->egid), GidOut(task, c->sgid)}));
  return int64_t{0};
}

// setuid(2)
SyscallResult SysSetuid(Task& task, uint32_t uid) {
  uid = TRY(UidIn(task, uid));
  if (uid == kUnchanged) return Errno(EINVAL);
  const CredentialsRef old = task.creds();
  auto creds = old->Copy();
  if (old->HasOwn(CAP_SETUID)) {
    creds->ruid = creds->suid = uid;
  } else if (uid != old->ruid && uid != old->suid) {
    return Errno(EPERM);
  }
  creds->euid = creds->fsuid = uid;
  FixUpCapabilities(*old, *creds);
  return Publish(task, *old, std::move(creds));
}

// setgid(2)
SyscallResult SysSetgid(Task& task, uint32_t gid) {
  gid = TRY(GidIn(task, gid));
  if (gid == kUnchanged) return Errno(EINVAL);
  const CredentialsRef old = task.creds();
  auto creds = old->Copy();
  if (old->HasOwn(CAP_SETGID)) {
    creds->rgid = creds->sgid = gid;
  } else if (gid != old->rgid && gid != old->sgid) {
    return Errno(EPERM);
  }
  creds->egid = creds->fsgid = gid;
  return Publish(task, *old, std::move(creds));
}

// setreuid(2)
SyscallResult SysSetreuid(Task& task, uint32_t ruid, uint32_t euid) {
  ruid = TRY(UidIn(task, ruid));
  euid = TRY(UidIn(task, euid));
  const CredentialsRef old = task.creds();
  if (!old->HasOwn(CAP_SETUID)) {
    if (!IsOneOf(ruid, old->ruid, old->euid, old->euid)) return Errno(EPERM);
    if (!IsOneOf(euid, old->ruid, old->euid, old->suid)) return Errno(EPERM);
  }
  auto creds = old->Copy();
  if (ruid != kUnchanged) creds->ruid = ruid;
  if (euid != kUnchanged) creds->euid = euid;
  if (ruid != kUnchanged || (euid != kUnchanged && euid != old->ruid)) creds->suid = creds->euid;
  creds->fsuid = creds->euid;
  FixUpCapabilities(*old, *creds);
  return Publish(task, *old, std::move(creds));
}

// setregid(2)
SyscallResult SysSetregid(Task& task, uint32_t rgid, uint32_t egid) {
  rgid = TRY(GidIn(task, rgid));
  egid = TRY(GidIn(task, egid));
  const CredentialsRef old = task.creds();
  if (!old->HasOwn(CAP_SETGID)) {
    if (!IsOneOf(rgid, old->rgid, old->egid, old->egid)) return Errno(EPERM);
    if (!IsOneOf(egid, old->rgid, old->egid, old->sgid)) return Errno(EPERM);
  }
  auto creds = old->Copy();
  if (rgid != kUnchanged) creds->rgid = rgid;
  if (egid != kUnchanged) creds->egid = egid;
  if (rgid != kUnchanged || (egid != kUnchanged && egid != old->rgid)) creds->sgid = creds->egid;
  creds->fsgid = creds->egid;
  return Publish(task, *old, std::move(creds));
}

// setresuid(2)
SyscallResult SysSetresuid(Task& task, uint32_t ruid, uint32_t euid, uint32_t suid) {
  ruid = TRY(UidIn(task, ruid));
  euid = TRY(UidIn(task, euid));
  suid = TRY(UidIn(task, suid));
  const CredentialsRef old = task.creds();
  if (!old->HasOwn(CAP_SETUID)) {
    for (const uint32_t id : {ruid, euid, suid}) {
      if (!IsOneOf(id, old->ruid, old->euid, old->suid)) return Errno(EPERM);
    }
  }
  auto creds = old->Copy();
  if (ruid != kUnchanged) creds->ruid = ruid;
  if (euid != kUnchanged) creds->euid = euid;
  if (suid != kUnchanged) creds->suid = suid;
  creds->fsuid = creds->euid;
  FixUpCapabilities(*old, *creds);
  return Publish(task, *old, std::move(creds));
}

// setresgid(2)
SyscallResult SysSetresgid(Task& task, uint32_t rgid, uint32_t egid, uint32_t sgid) {
  rgid = TRY(GidIn(task, rgid));
  egid = TRY(GidIn(task, egid));
  sgid = TRY(GidIn(task, sgid));
  const CredentialsRef old = task.creds();
  if (!old->HasOwn(CAP_SETGID)) {
    for (const uint32_t id : {rgid, egid, sgid}) {
      if (!IsOneOf(id, old->rgid, old->egid, old->sgid)) return Errno(EPERM);
    }
  }
  auto creds = old->Copy();
  if (rgid != kUnchanged) creds->rgid = rgid;
  if (egid != kUnchanged) creds->egid = egid;
  if (sgid != kUnchanged) creds->sgid = sgid;
  creds->fsgid = creds->egid;
  return Publish(task, *old, std::move(creds));
}

// setfsuid(2): returns the old value, whatever happens.
SyscallResult SysSetfsuid(Task& task, uint32_t uid) {
  uid = UidIn(task, uid).value_or(kUnchanged);
  const CredentialsRef old = task.creds();
  const bool allowed = uid != kUnchanged && (uid == old->ruid || uid == old->euid || uid == old->suid ||
                                             uid == old->fsuid || old->HasOwn(CAP_SETUID));
  if (allowed && uid != old->fsuid) {
    auto creds = old->Copy();
    creds->fsuid = uid;
    FixUpFilesystemCapabilities(*old, *creds);
    (void)Publish(task, *old, std::move(creds));
  }
  return int64_t{UidOut(task, old->fsuid)};
}

// setfsgid(2)
SyscallResult SysSetfsgid(Task& task, uint32_t gid) {
  gid = GidIn(task, gid).value_or(kUnchanged);
  const CredentialsRef old = task.creds();
  const bool allowed = gid != kUnchanged && (gid == old->rgid || gid == old->egid || gid == old->sgid ||
                                             gid == old->fsgid || old->HasOwn(CAP_SETGID));
  if (allowed && gid != old->fsgid) {
    auto creds = old->Copy();
    creds->fsgid = gid;
    (void)Publish(task, *old, std::move(creds));
  }
  return int64_t{GidOut(task, old->fsgid)};
}

// getgroups(2)
SyscallResult SysGetgroups(Task& task, int size, GuestAddr addr) {
  if (size < 0) return Errno(EINVAL);
  const CredentialsRef creds = task.creds();
  const int count = static_cast<int>(creds->groups.size());
  if (size == 0) return count;
  if (size < count) return Errno(EINVAL);
  std::vector<gid_t> groups = creds->groups;
  for (gid_t& gid : groups) gid = GidOut(task, gid);
  TRY(task.CopyOut(addr, groups.data(), groups.size() * sizeof(gid_t)));
  return count;
}

// setgroups(2)
SyscallResult SysSetgroups(Task& task, int size, GuestAddr addr) {
  if (!MaySetGroups(*task.creds())) return Errno(EPERM);
  if (size < 0 || size > kMaxGroups) return Errno(EINVAL);
  std::vector<gid_t> groups(size);
  TRY(task.CopyIn(addr, groups.data(), groups.size() * sizeof(gid_t)));
  for (gid_t& gid : groups) gid = TRY(GidIn(task, gid));
  std::sort(groups.begin(), groups.end());
  auto creds = task.creds()->Copy();
  creds->groups = std::move(groups);
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

// capget(2)
SyscallResult SysCapget(Task& task, GuestAddr header_addr, GuestAddr data_addr) {
  CapHeader header;
  const auto words = CapWords(task, header_addr, header);
  if (!words.ok()) return data_addr == 0 && words.error() == Errno(EINVAL) ? SyscallResult(int64_t{0}) : words.error();
  const CredentialsRef creds = TRY(CredsOfPid(task, header.pid));
  if (data_addr == 0) return Errno(EFAULT);
  CapData data[2];
  for (int i = 0; i < 2; ++i) {
    const auto half = [i](CapabilitySet set) { return static_cast<uint32_t>(set >> (32 * i)); };
    data[i] = {half(creds->effective), half(creds->permitted), half(creds->inheritable)};
  }
  TRY(task.CopyOut(data_addr, data, *words * sizeof(CapData)));
  return int64_t{0};
}

// capset(2)
SyscallResult SysCapset(Task& task, GuestAddr header_addr, GuestAddr data_addr) {
  CapHeader header;
  const int words = TRY(CapWords(task, header_addr, header));
  if (header.pid != 0 && PidFromGuest(task, header.pid) != task.tid()) return Errno(EPERM);
  CapData data[2] = {};
  TRY(task.CopyIn(data_addr, data, words * sizeof(CapData)));
  return SetCapabilities(task, Join(data, &CapData::effective, words), Join(data, &CapData::permitted, words),
                         Join(data, &CapData::inheritable, words));
}

}  // namespace runsc
