// Whether reading in pieces pays: a flag between an engine and the I/O code above it.
#pragma once

namespace runsc {

// True on a sentry thread while its guest thread takes staged output piece by piece, during the call.
inline thread_local bool guest_takes_output_early = false;

}  // namespace runsc
