// Random bytes: the host kernel's own generator.
#pragma once

#include <cstddef>
#include <string>

#include "sentry/vfs/io.h"

namespace runsc {

class Task;

// The host's generator has been seeded long before a sandbox can start, so this cannot fail or block.
void FillRandom(void* dst, size_t size);
// Fills the sink; a pending signal cuts it short, but never to less than the first 4096 bytes. EFAULT.
Result<size_t> WriteRandom(Task& task, IoSink& dst);
// A random UUID (version 4) in text form, without a newline.
std::string RandomUuid();

}  // namespace runsc
