// The permission rules of files: mode bits, ownership, capabilities.
#pragma once

#include "sentry/vfs/credentials.h"
#include "sentry/vfs/inode.h"
#include "sentry/vfs/path.h"

namespace runsc {

// True if `creds` owns the file or may act as if (CAP_FOWNER).
bool OwnsOrCapable(const Credentials& creds, const Attr& attr);
// R_OK | W_OK | X_OK by mode bits and capabilities. EACCES.
Result<void> CheckMode(const Credentials& creds, const Attr& attr, int mask);
// May names be looked up in the directory at `path`? EACCES, ENOTDIR.
Result<void> CheckSearch(const Credentials& creds, const Path& dir);
// May a name be added to `dir`? EACCES; ENOENT for a directory that was removed.
Result<void> CheckCreate(const Credentials& creds, const Path& dir);
// May the name of `child` be removed from `dir`, as a directory or not? In Linux's order: EACCES, EPERM
// (sticky), ENOTDIR, EISDIR.
Result<void> CheckDelete(const Credentials& creds, const Path& dir, const Dentry& child, bool as_dir);
// EPERM for files marked immutable, and with `append_too` for append-only ones (chattr(1)).
Result<void> CheckNotFrozen(Inode& inode, bool append_too = true);
// What writing or chown take away: set-user-id, and set-group-id of group-executable files.
uint32_t WithoutSetIds(uint32_t mode);
// Owner and mode of a new file in a directory: set-group-id directories pass on their group.
NewFile NewFileIn(const Credentials& creds, const Attr& dir, uint32_t mode);

}  // namespace runsc
