// Memory that only the start of a process needed.
#pragma once

namespace runsc {

// Gives the host what this process will rarely touch again now that it is set up: free heap pages and the mappings of
// its own code and constants, which come back page by page as they are used (madvise(2), malloc_trim(3)). Safe at any
// time, other threads running; allowed by the filters of sentry and gofer.
void ReleaseStartUpMemory();

}  // namespace runsc
