// /proc/PID/mounts, mountinfo and mountstats.
#include <sys/sysmacros.h>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/simple_fs_text.h"

namespace runsc {
namespace {

// As the fields of fstab(5).
std::string Escape(const std::string& text) { return InOctal(text, " \t\n\\#"); }

Result<std::vector<Vfs::MountInfo>> MountsOf(const ProcTarget& target) {
  RefPtr<FsContext> fs = TRY(target.task())->FsSnapshot();
  if (!fs) return Errno(EINVAL);
  return target.kernel().vfs().Mounts(fs->root());
}

// The mount's options, then those of its filesystem except "ro" or "rw".
std::string AllOptions(const Vfs::MountInfo& mount) {
  const size_t comma = mount.fs_options.find(',');
  return comma == std::string::npos ? mount.options : mount.options + mount.fs_options.substr(comma);
}

}  // namespace

std::string InOctal(const std::string& text, std::string_view which) {
  std::string out;
  for (char c : text) {
    if (which.find(c) != std::string_view::npos) {
      AppendFormat(&out, "\\%03o", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

Result<std::string> ProcMounts(const ProcTarget& target, Task&) {
  std::string out;
  for (const Vfs::MountInfo& mount : TRY(MountsOf(target))) {
    out += Escape(mount.source) + " " + Escape(mount.target) + " " + mount.type + " " + AllOptions(mount) + " 0 0\n";
  }
  return out;
}

Result<std::string> ProcMountinfo(const ProcTarget& target, Task&) {
  std::string out;
  for (const Vfs::MountInfo& mount : TRY(MountsOf(target))) {
    AppendFormat(&out, "%d %d %u:%u ", mount.id, mount.parent_id, major(mount.dev), minor(mount.dev));
    out += Escape(mount.root) + " " + Escape(mount.target) + " " + mount.options + " " + mount.propagation + "- " +
           mount.type + " " + Escape(mount.source) + " " + mount.fs_options + "\n";
  }
  return out;
}

Result<std::string> ProcMountstats(const ProcTarget& target, Task&) {
  std::string out;
  for (const Vfs::MountInfo& mount : TRY(MountsOf(target))) {
    out +=
        "device " + Escape(mount.source) + " mounted on " + Escape(mount.target) + " with fstype " + mount.type + "\n";
  }
  return out;
}

}  // namespace runsc
