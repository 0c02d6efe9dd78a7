// Backing memory from memfds.
#include "sentry/vfs/backing_store.h"

#include <sys/mman.h>

namespace runsc {

Result<UniqueFd> MemfdStore::CreateFile(const char* name) {
  return UniqueFd(TRY(FromHost(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING))));
}

}  // namespace runsc
