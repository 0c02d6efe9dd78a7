// The registry of device drivers.
#include "sentry/vfs/device.h"

#include <map>

namespace runsc {
namespace {

struct Registry {
  std::map<uint64_t, DeviceOpener> devices;
  std::map<unsigned, DeviceOpener> majors;
  FifoOpener fifo = nullptr;
};

// Filled at boot, read-only afterwards: needs no lock.
Registry& TheRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

DeviceOpener FindCharDevice(uint64_t rdev) {
  const Registry& registry = TheRegistry();
  if (auto it = registry.devices.find(rdev); it != registry.devices.end()) return it->second;
  if (auto it = registry.majors.find(major(rdev)); it != registry.majors.end()) return it->second;
  return nullptr;
}

}  // namespace

void RegisterCharDevice(unsigned major, unsigned minor, DeviceOpener opener) {
  TheRegistry().devices[makedev(major, minor)] = opener;
}

void RegisterCharMajor(unsigned major, DeviceOpener opener) { TheRegistry().majors[major] = opener; }

void RegisterFifo(FifoOpener opener) { TheRegistry().fifo = opener; }

Result<RefPtr<File>> OpenSpecial(Task& task, RefPtr<Inode> inode, const Attr& attr, const Path& path, int flags) {
  if (S_ISFIFO(attr.mode)) {
    const FifoOpener opener = TheRegistry().fifo;
    return opener ? opener(task, std::move(inode), path, flags) : Errno(ENXIO);
  }
  if (!S_ISCHR(attr.mode)) return Errno(ENXIO);
  const DeviceOpener opener = FindCharDevice(attr.rdev);
  return opener ? opener(task, path, flags) : Errno(ENXIO);
}

}  // namespace runsc
