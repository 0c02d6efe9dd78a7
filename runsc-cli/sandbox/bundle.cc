// Loading bundles.
#include "runsc-cli/sandbox/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/validate.h"

namespace runsc {
namespace {

absl::Status InFile(const absl::Status& status, const std::string& path) {
  return absl::Status(status.code(), Cat(path, ": ", MessageOf(status)));
}

absl::Status CheckDirectory(const std::string& path, std::string_view what) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return HostError(errno, "%s %s", std::string(what).c_str(), path.c_str());
  if (!S_ISDIR(st.st_mode)) return InvalidArgument(what, " ", path, ": not a directory");
  return absl::OkStatus();
}

// A bind source that is missing would only show as a failed mount much later.
absl::Status CheckBindSources(const MountPlan& plan) {
  struct stat st;
  for (const PlannedMount& mount : plan.mounts) {
    if (mount.kind != PlannedMount::Kind::kBind) continue;
    if (stat(mount.source.c_str(), &st) != 0) {
      return HostError(errno, "mount %s: source %s", mount.destination.c_str(), mount.source.c_str());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Bundle> LoadBundle(const std::string& directory) {
  ASSIGN_OR_RETURN(std::string path, AbsolutePath(directory));
  RETURN_IF_ERROR(CheckDirectory(path, "bundle"));
  ASSIGN_OR_RETURN(std::string json, ReadFileAt(AT_FDCWD, Cat(path, "/config.json"), kMaxSpecBytes));
  return MakeBundle(std::move(path), std::move(json));
}

absl::StatusOr<Bundle> MakeBundle(std::string directory, std::string json) {
  Bundle bundle;
  bundle.path = std::move(directory);
  bundle.json = std::move(json);
  const std::string file = Cat(bundle.path, "/config.json");
  absl::StatusOr<Spec> spec = ParseSpec(bundle.json);
  if (!spec.ok()) return InFile(spec.status(), file);
  if (absl::Status s = ValidateSpec(*spec); !s.ok()) return InFile(s, file);
  absl::StatusOr<MountPlan> plan = PlanMounts(*spec, bundle.path);
  if (!plan.ok()) return InFile(plan.status(), file);
  bundle.spec = *std::move(spec);
  bundle.plan = *std::move(plan);
  bundle.rootfs = JoinPath(bundle.path, bundle.spec.root->path);
  RETURN_IF_ERROR(CheckDirectory(bundle.rootfs, "root file system"));
  RETURN_IF_ERROR(CheckBindSources(bundle.plan));
  return bundle;
}

}  // namespace runsc
