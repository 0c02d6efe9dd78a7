// POSIX access control lists (acl(5)), kept by filesystems as the extended attributes system.posix_acl_*.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sentry/vfs/credentials.h"
#include "sentry/vfs/inode.h"

namespace runsc {

inline constexpr std::string_view kAccessAcl = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAcl = "system.posix_acl_default";
inline bool IsAclName(std::string_view name) { return name == kAccessAcl || name == kDefaultAcl; }

class PosixAcl {
 public:
  // The value of the attribute: EINVAL unless it is a well-formed, complete list; EOPNOTSUPP for a version
  // other than 2.
  static Result<PosixAcl> Parse(std::string_view value);
  std::string Serialize() const;

  // May somebody who is not the owner? R_OK | W_OK | X_OK in `mask`. EACCES.
  Result<void> Check(const Credentials& creds, gid_t file_gid, uint32_t mask) const;
  // The permission bits that go with it. True in *minimal if they say all there is.
  uint32_t ModeBits(bool* minimal) const;
  void Chmod(uint32_t mode);
  // As the access list of a new file made with `mode`: gives nothing `mode` does not. Returns the file's
  // permission bits.
  uint32_t RestrictTo(uint32_t mode);

 private:
  struct Entry {
    uint16_t tag, perm;
    uint32_t id;
  };
  bool Valid() const;
  Entry* Find(uint16_t tag);
  const Entry* Find(uint16_t tag) const { return const_cast<PosixAcl*>(this)->Find(tag); }

  std::vector<Entry> entries_;
};

// The list of an inode, if it has one.
std::optional<PosixAcl> AclOf(Inode& inode, std::string_view name);
// As CheckMode, with the file's list where it counts.
Result<void> CheckInode(const Credentials& creds, Inode& inode, const Attr& attr, int mask);
// setxattr and removexattr of the two attributes; an empty value removes. The caller checked the mount.
Result<void> SetAcl(const Credentials& creds, Inode& inode, std::string_view name, std::string_view value);
// After a chmod: the list follows the mode.
Result<void> ChmodAcl(Inode& inode, uint32_t mode);
// What a new file gets from its directory's default list. Without one the umask applies.
struct InheritedAcl {
  std::string access, inherited_default;  // attribute values; empty: none
};
InheritedAcl InheritAcl(Inode& dir, uint32_t umask, uint32_t* mode);
Result<void> ApplyInherited(Inode& inode, const InheritedAcl& acl);

}  // namespace runsc
