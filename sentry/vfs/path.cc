#include "sentry/vfs/path.h"

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"

namespace runsc {

Path::Path() = default;
Path::Path(RefPtr<Mount> m, RefPtr<Dentry> d) : mount(std::move(m)), dentry(std::move(d)) {}
Path::Path(const Path&) = default;
Path::Path(Path&&) noexcept = default;
Path& Path::operator=(const Path& o) { return *this = Path(o); }

// The old dentry goes before the old mount, which may be all that keeps the dentry's tree.
Path& Path::operator=(Path&& o) noexcept {
  Path old;
  old.dentry = std::exchange(dentry, std::move(o.dentry));
  old.mount = std::exchange(mount, std::move(o.mount));
  return *this;
}
Path::~Path() = default;

}  // namespace runsc
