// struct path: a name in a mounted tree.
#pragma once

#include "platform/base/ref_ptr.h"

namespace runsc {

class Dentry;
class Mount;

// Holds references. Special members are out of line (path.cc) because Mount and Dentry are incomplete here.
struct Path {
  RefPtr<Mount> mount;
  RefPtr<Dentry> dentry;

  Path();
  Path(RefPtr<Mount> mount, RefPtr<Dentry> dentry);
  Path(const Path&);
  Path(Path&&) noexcept;
  Path& operator=(const Path&);
  Path& operator=(Path&&) noexcept;
  ~Path();
  explicit operator bool() const { return static_cast<bool>(dentry); }
  friend bool operator==(const Path& a, const Path& b) {
    return a.mount.get() == b.mount.get() && a.dentry.get() == b.dentry.get();
  }
};

}  // namespace runsc
