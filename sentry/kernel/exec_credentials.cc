#include "sentry/kernel/exec_credentials.h"

#include <linux/securebits.h>

namespace runsc {
namespace {

bool ApplySetId(const Attr& file, Credentials& creds) {
  const uid_t uid = creds.euid;
  const gid_t gid = creds.egid;
  if (file.mode & S_ISUID) creds.euid = file.uid;
  if ((file.mode & S_ISGID) && (file.mode & S_IXGRP)) creds.egid = file.gid;
  return creds.euid != uid || creds.egid != gid;
}

void TransformCapabilities(const Credentials& old, bool set_id, Credentials& creds) {
  const bool root_rules = !(old.securebits & SECBIT_NOROOT);
  const bool is_root = root_rules && (creds.euid == 0 || creds.ruid == 0);
  creds.ambient = set_id ? 0 : old.ambient;
  creds.permitted = creds.ambient;
  if (is_root) creds.permitted |= old.inheritable | old.bounding;
  creds.effective = root_rules && creds.euid == 0 ? creds.permitted : creds.ambient;
}

}  // namespace

ExecCredentials CredentialsAfterExec(const Credentials& old, const Attr& file, bool honour_set_id) {
  auto creds = old.Copy();
  const bool set_id = honour_set_id && !old.no_new_privs && ApplySetId(file, *creds);
  TransformCapabilities(old, set_id, *creds);
  creds->suid = creds->fsuid = creds->euid;
  creds->sgid = creds->fsgid = creds->egid;
  creds->securebits &= ~SECBIT_KEEP_CAPS;
  const bool secure = set_id || creds->ruid != creds->euid || creds->rgid != creds->egid;
  return {std::move(creds), secure, set_id};
}

}  // namespace runsc
