// Descriptors in flight: bounding them, and freeing sockets that only refer to each other.
#pragma once

#include <deque>

#include "sentry/net/unix_endpoint.h"

namespace runsc {

// Held while files move into or out of a receive queue's reach, so that a collection sees each of them
// either in a queue or taken. Outermost.
class ABSL_SCOPED_LOCKABLE InFlightLock {
 public:
  InFlightLock();
  ~InFlightLock();
  InFlightLock(const InFlightLock&) = delete;
};

// Bookkeeping of files that sit in a receive queue, that of `receiver`.
void AddInFlight(const std::vector<RefPtr<File>>& files, const UnixEndpoint& receiver);
void RemoveInFlight(const std::vector<RefPtr<File>>& files);
void RemoveInFlight(const InFlightLock&, const std::vector<RefPtr<File>>& files);
// Drops packets that will never be read; their files may be sockets with packets of their own.
void DropPackets(std::deque<UnixPacket> packets);

// All descriptors in flight in the sandbox, for the sender's limit.
size_t InFlightCount();

// Frees sockets reachable only from queues that are themselves unreachable: called whenever a socket closes, and
// cheap unless there may be some. `now`: whatever it costs.
void CollectUnixGarbage(bool now);

}  // namespace runsc
