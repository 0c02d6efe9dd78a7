// Default specs.
#include "runsc-cli/oci/template.h"

#include <sys/resource.h>

#include "runsc-cli/oci/names.h"

namespace runsc {
namespace {

CapabilityMask MaskOf(std::initializer_list<std::string_view> names) {
  CapabilityMask mask = 0;
  for (std::string_view name : names) mask |= CapabilityMask{1} << CapabilityFromName(name).value_or(63);
  return mask;
}

SpecProcess TemplateProcess() {
  SpecProcess process;
  process.terminal = true;
  process.args = {"sh"};
  process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  process.cwd = "/";
  const CapabilityMask caps = MaskOf({"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"});
  process.capabilities = {caps, caps, 0, caps, 0};
  process.rlimits = {{RLIMIT_NOFILE, 1024, 1024}};
  process.no_new_privileges = true;
  return process;
}

}  // namespace

SpecCapabilities AllCapabilities() {
  CapabilityMask all = 0;
  for (int i = 0; !CapabilityName(i).empty(); ++i) all |= CapabilityMask{1} << i;
  return {all, all, 0, all, 0};
}

std::vector<SpecMount> DefaultMounts() {
  return {
      {"/proc", "proc", "proc", {}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
  };
}

Spec TemplateSpec() {
  Spec spec;
  spec.oci_version = kOciVersion;
  spec.process = TemplateProcess();
  spec.root = SpecRoot{"rootfs", true};
  spec.hostname = "runsc";
  spec.mounts = DefaultMounts();
  for (const char* type : {"pid", "network", "ipc", "uts", "mount"}) {
    spec.linux_.namespaces.push_back({type, ""});
  }
  return spec;
}

}  // namespace runsc
