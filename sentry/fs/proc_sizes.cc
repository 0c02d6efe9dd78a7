#include "sentry/fs/proc_sizes.h"

#include <stdio.h>

namespace runsc {
namespace {

void AddMapping(const MemoryManager::Mapping& m, const MemoryManager::Image& image, ProcSizes* sizes) {
  const uint64_t pages = (m.end - m.start) / 4096;
  const bool shared = m.perms.find('s') != std::string::npos;
  const bool writable = m.perms.find('w') != std::string::npos;
  const bool executable = m.perms.find('x') != std::string::npos;
  sizes->total += pages;
  if (m.start <= image.start_stack && image.start_stack < m.end) {
    sizes->stack += pages;
  } else if (writable && !shared) {
    sizes->data += pages;
  } else if (executable && m.start < image.end_code && m.end > image.start_code) {
    sizes->text += pages;
  } else if (executable && m.file) {
    sizes->library += pages;
  }
}

}  // namespace

ProcSizes MeasureSizes(MemoryManager* mm) {
  ProcSizes sizes;
  if (mm == nullptr) return sizes;
  const MemoryManager::Image image = mm->image();
  const auto mappings = mm->Mappings();
  if (mappings.ok()) {
    for (const MemoryManager::Mapping& m : *mappings) AddMapping(m, image, &sizes);
  }
  uint64_t total;
  const auto statm = mm->address_space().ReadHostProc("statm");
  if (statm.ok()) sscanf(statm->c_str(), "%lu %lu %lu", &total, &sizes.resident, &sizes.shared);
  return sizes;
}

}  // namespace runsc
