#include "sentry/kernel/exec_credentials.h"

#include <endian.h>
#include <linux/securebits.h>

#include <cstring>

namespace runsc {
namespace {

bool IsRoot(const Credentials& creds, uid_t uid) {
  return FindGuestId(creds.user_ns.get(), UserNamespace::kUsers, uid) == uint32_t{0};
}

bool IsMapped(const Credentials& creds, const Attr& file) {
  return FindGuestId(creds.user_ns.get(), UserNamespace::kUsers, file.uid) &&
         FindGuestId(creds.user_ns.get(), UserNamespace::kGroups, file.gid);
}

bool ApplySetId(const Attr& file, Credentials& creds) {
  if (!IsMapped(creds, file)) return false;
  const uid_t uid = creds.euid;
  const gid_t gid = creds.egid;
  if (file.mode & S_ISUID) creds.euid = file.uid;
  if ((file.mode & S_ISGID) && (file.mode & S_IXGRP)) creds.egid = file.gid;
  return creds.euid != uid || creds.egid != gid;
}

// Root gets everything the bounding set leaves, unless securebits say otherwise, or a set-user-ID-root program
// of another user has capabilities of its own.
void TransformCapabilities(const Credentials& old, bool set_id, const FileCapabilities* caps, Credentials& creds) {
  const bool real_root = IsRoot(creds, creds.ruid), effective_root = IsRoot(creds, creds.euid);
  const bool root_rules = !(old.securebits & SECBIT_NOROOT) && !(caps != nullptr && !real_root && effective_root);
  creds.ambient = set_id || caps != nullptr ? 0 : old.ambient;
  creds.permitted = creds.ambient;
  if (caps != nullptr) creds.permitted |= (old.inheritable & caps->inheritable) | (old.bounding & caps->permitted);
  if (root_rules && (real_root || effective_root)) creds.permitted |= old.inheritable | old.bounding;
  const bool raised = (root_rules && effective_root) || (caps != nullptr && caps->effective);
  creds.effective = raised ? creds.permitted : creds.ambient;
}

}  // namespace

std::optional<FileCapabilities> ParseFileCapabilities(std::string_view value, const UserNamespace* ns) {
  uint32_t words[6] = {};
  if (value.size() > sizeof(words) || value.size() < 3 * sizeof(uint32_t)) return std::nullopt;
  std::memcpy(words, value.data(), value.size());
  for (uint32_t& word : words) word = le32toh(word);
  const uint32_t revision = words[0] & VFS_CAP_REVISION_MASK;
  const size_t expected = revision == VFS_CAP_REVISION_1   ? XATTR_CAPS_SZ_1
                          : revision == VFS_CAP_REVISION_2 ? XATTR_CAPS_SZ_2
                          : revision == VFS_CAP_REVISION_3 ? XATTR_CAPS_SZ_3
                                                           : 0;
  if (value.size() != expected) return std::nullopt;
  // Those of the first namespace do not count in others, and the other way round.
  const uint32_t root = revision == VFS_CAP_REVISION_3 ? words[5] : 0;
  if (FindGuestId(ns, UserNamespace::kUsers, root) != uint32_t{0}) return std::nullopt;
  FileCapabilities caps;
  caps.permitted = words[1];
  caps.inheritable = words[2];
  if (revision != VFS_CAP_REVISION_1) {
    caps.permitted |= CapabilitySet{words[3]} << 32;
    caps.inheritable |= CapabilitySet{words[4]} << 32;
  }
  caps.permitted &= kAllCapabilities;
  caps.inheritable &= kAllCapabilities;
  caps.effective = words[0] & VFS_CAP_FLAGS_EFFECTIVE;
  return caps;
}

bool HeedsFileCapabilities(const Credentials& creds) {
  return !IsRoot(creds, creds.ruid) || (creds.securebits & SECBIT_NOROOT);
}

Result<ExecCredentials> CredentialsAfterExec(const Credentials& old, const Attr& file, bool honour,
                                             const std::optional<FileCapabilities>& file_caps) {
  auto creds = old.Copy();
  const bool may_gain = honour && !old.no_new_privs;
  const FileCapabilities* caps = may_gain && file_caps ? &*file_caps : nullptr;
  const bool set_id = may_gain && ApplySetId(file, *creds);
  TransformCapabilities(old, set_id, caps, *creds);
  if (caps != nullptr && caps->effective && (caps->permitted & ~creds->permitted)) return Errno(EPERM);
  creds->suid = creds->fsuid = creds->euid;
  creds->sgid = creds->fsgid = creds->egid;
  creds->securebits &= ~SECBIT_KEEP_CAPS;
  const bool by_caps =
      !IsRoot(*creds, creds->ruid) && ((caps != nullptr && caps->effective) || (creds->permitted & ~creds->ambient));
  const bool secure = set_id || by_caps || creds->ruid != creds->euid || creds->rgid != creds->egid;
  const bool privileged = set_id || (creds->permitted & ~old.permitted);
  return ExecCredentials{std::move(creds), secure, privileged};
}

}  // namespace runsc
