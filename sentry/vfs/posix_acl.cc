// POSIX access control lists: their form, their meaning, and how files come by them.
#include "sentry/vfs/posix_acl.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "sentry/vfs/permission.h"

namespace runsc {
namespace {

constexpr uint32_t kVersion = 2;
constexpr size_t kEntrySize = 8;
enum Tag : uint16_t { kUserObj = 1, kUser = 2, kGroupObj = 4, kGroup = 8, kMask = 16, kOther = 32 };
constexpr uint32_t kPermissions = 0777;

}  // namespace

Result<PosixAcl> PosixAcl::Parse(std::string_view value) {
  uint32_t version;
  if (value.size() < sizeof(version)) return Errno(EINVAL);
  memcpy(&version, value.data(), sizeof(version));
  if (version != kVersion) return Errno(EOPNOTSUPP);
  value.remove_prefix(sizeof(version));
  if (value.size() % kEntrySize != 0) return Errno(EINVAL);
  PosixAcl acl;
  for (; !value.empty(); value.remove_prefix(kEntrySize)) {
    static_assert(sizeof(Entry) == kEntrySize);
    Entry entry;
    memcpy(&entry, value.data(), sizeof(entry));
    acl.entries_.push_back(entry);
  }
  return acl.Valid() ? Result<PosixAcl>(std::move(acl)) : Errno(EINVAL);
}

std::string PosixAcl::Serialize() const {
  std::string value(sizeof(kVersion) + entries_.size() * kEntrySize, '\0');
  memcpy(value.data(), &kVersion, sizeof(kVersion));
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry entry = entries_[i];
    if (entry.tag != kUser && entry.tag != kGroup) entry.id = ~0u;
    memcpy(value.data() + sizeof(kVersion) + i * kEntrySize, &entry, kEntrySize);
  }
  return value;
}

// The tags in order, each of the three classes once, a mask where there are named ones.
bool PosixAcl::Valid() const {
  uint16_t last = 0;
  bool named = false, mask = false;
  int required = 0;
  for (const Entry& entry : entries_) {
    const bool repeats = entry.tag == kUser || entry.tag == kGroup;
    if ((entry.perm & ~7) || entry.tag < last || (entry.tag == last && !repeats)) return false;
    if (entry.tag > kOther || (entry.tag & (entry.tag - 1)) || entry.tag == 0) return false;
    if (repeats && entry.id == ~0u) return false;
    named |= repeats;
    mask |= entry.tag == kMask;
    required += entry.tag == kUserObj || entry.tag == kGroupObj || entry.tag == kOther;
    last = entry.tag;
  }
  return required == 3 && (mask || !named);
}

PosixAcl::Entry* PosixAcl::Find(uint16_t tag) {
  for (Entry& entry : entries_) {
    if (entry.tag == tag) return &entry;
  }
  return nullptr;
}

Result<void> PosixAcl::Check(const Credentials& creds, gid_t file_gid, uint32_t mask) const {
  const Entry* limit = Find(kMask);
  const auto allowed = [&](const Entry& entry) {
    const uint32_t perm = limit != nullptr ? entry.perm & limit->perm : entry.perm;
    return (perm & mask) == mask;
  };
  bool in_a_group = false;
  for (const Entry& entry : entries_) {
    if (entry.tag == kUser && entry.id == creds.fsuid) return allowed(entry) ? Result<void>() : Errno(EACCES);
    if (entry.tag != kGroupObj && entry.tag != kGroup) continue;
    if (!creds.InGroup(entry.tag == kGroupObj ? file_gid : entry.id)) continue;
    if (allowed(entry)) return {};
    in_a_group = true;
  }
  if (in_a_group || (Find(kOther)->perm & mask) != mask) return Errno(EACCES);
  return {};
}

uint32_t PosixAcl::ModeBits(bool* minimal) const {
  const Entry* limit = Find(kMask);
  *minimal = entries_.size() == 3;
  const uint32_t group = limit != nullptr ? limit->perm : Find(kGroupObj)->perm;
  return uint32_t{Find(kUserObj)->perm} << 6 | group << 3 | Find(kOther)->perm;
}

void PosixAcl::Chmod(uint32_t mode) {
  Entry* limit = Find(kMask);
  Find(kUserObj)->perm = mode >> 6 & 7;
  (limit != nullptr ? limit : Find(kGroupObj))->perm = mode >> 3 & 7;
  Find(kOther)->perm = mode & 7;
}

uint32_t PosixAcl::RestrictTo(uint32_t mode) {
  Entry* limit = Find(kMask);
  Entry* group = limit != nullptr ? limit : Find(kGroupObj);
  Find(kUserObj)->perm &= mode >> 6 & 7;
  group->perm &= mode >> 3 & 7;
  Find(kOther)->perm &= mode & 7;
  bool minimal;
  return ModeBits(&minimal);
}

std::optional<PosixAcl> AclOf(Inode& inode, std::string_view name) {
  const Result<std::string> value = inode.GetXattr(name);
  if (!value.ok()) return std::nullopt;
  Result<PosixAcl> acl = PosixAcl::Parse(*value);
  return acl.ok() ? std::optional<PosixAcl>(std::move(*acl)) : std::nullopt;
}

// The list is asked for last: most checks are decided without it.
Result<void> CheckInode(const Credentials& creds, Inode& inode, const Attr& attr, int mask) {
  const bool decided =
      creds.fsuid == attr.uid || !(attr.mode & S_IRWXG) || attr.IsSymlink() || creds.Has(CAP_DAC_OVERRIDE);
  if (decided) return CheckMode(creds, attr, mask);
  const std::optional<PosixAcl> acl = AclOf(inode, kAccessAcl);
  if (!acl) return CheckMode(creds, attr, mask);
  if (acl->Check(creds, attr.gid, static_cast<uint32_t>(mask & (R_OK | W_OK | X_OK))).ok()) return {};
  Attr nobody = attr;  // what capabilities still allow
  nobody.mode &= ~kPermissions;
  return CheckMode(creds, nobody, mask);
}

Result<void> SetAcl(const Credentials& creds, Inode& inode, std::string_view name, std::string_view value) {
  const Attr attr = TRY(inode.GetAttr());
  if (attr.IsSymlink()) return Errno(EOPNOTSUPP);
  if (!OwnsOrCapable(creds, attr)) return Errno(EPERM);
  const bool access = name == kAccessAcl;
  if (!access && !attr.IsDir()) return value.empty() ? Result<void>() : Errno(EACCES);
  bool minimal = value.empty();
  std::optional<uint32_t> bits;
  std::string stored;
  if (!value.empty()) {
    const PosixAcl acl = TRY(PosixAcl::Parse(value));
    bits = acl.ModeBits(&minimal);
    stored = acl.Serialize();
  }
  if (access && bits) {
    AttrChange change;
    change.mode = (attr.mode & 07000) | *bits;
    if (!creds.InGroup(attr.gid) && !creds.Has(CAP_FSETID)) *change.mode &= ~uint32_t{S_ISGID};
    TRY(inode.SetAttr(change));
  }
  if (!value.empty() && !(access && minimal)) return inode.SetXattr(name, stored, 0);
  const Result<void> removed = inode.RemoveXattr(name);
  return removed.ok() || removed.error() == Errno(ENODATA) ? Result<void>() : removed;
}

Result<void> ChmodAcl(Inode& inode, uint32_t mode) {
  std::optional<PosixAcl> acl = AclOf(inode, kAccessAcl);
  bool minimal;
  if (!acl || acl->ModeBits(&minimal) == (mode & kPermissions)) return {};
  acl->Chmod(mode);
  return inode.SetXattr(kAccessAcl, acl->Serialize(), 0);
}

InheritedAcl InheritAcl(Inode& dir, uint32_t umask, uint32_t* mode) {
  InheritedAcl inherited;
  std::optional<PosixAcl> acl = S_ISLNK(*mode) ? std::nullopt : AclOf(dir, kDefaultAcl);
  if (!acl) {
    if (!S_ISLNK(*mode)) *mode &= ~umask;
    return inherited;
  }
  if (S_ISDIR(*mode)) inherited.inherited_default = acl->Serialize();
  *mode = (*mode & ~kPermissions) | acl->RestrictTo(*mode);
  bool minimal;
  acl->ModeBits(&minimal);
  if (!minimal) inherited.access = acl->Serialize();
  return inherited;
}

Result<void> ApplyInherited(Inode& inode, const InheritedAcl& acl) {
  if (!acl.access.empty()) TRY(inode.SetXattr(kAccessAcl, acl.access, 0));
  if (!acl.inherited_default.empty()) TRY(inode.SetXattr(kDefaultAcl, acl.inherited_default, 0));
  return {};
}

}  // namespace runsc
