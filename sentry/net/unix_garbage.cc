// Cycle collection over sockets in flight, as Linux's classic algorithm: a socket all of whose references
// are in flight is a candidate; candidates that are reachable only from candidates are garbage.
//
// A collection looks at all sockets in flight, so two things keep the cost of many closes linear: there is none until
// a socket went into the queue of one that was itself in flight, without which there is no cycle; and with many in
// flight there is one for a share of as many closes only.
#include "sentry/net/unix_garbage.h"

#include <map>

#include "sentry/net/unix_socket.h"

namespace runsc {
namespace {

struct InFlight {
  Mutex mu{LockRank::kFileWatch};
  std::map<File*, size_t> sockets;  // guarded by mu: references to unix sockets that are in queues
  std::atomic<bool> maybe_cyclic{false};
  size_t closes = 0;  // guarded by mu: of sockets, since the last collection
  std::atomic<size_t> total{0};
};

InFlight& TheInFlight() {
  static InFlight* const in_flight = new InFlight;
  return *in_flight;
}

UnixEndpoint& EndpointOf(File& file) { return FileAs<UnixSocket>(file)->endpoint(); }

// Of each candidate, the references that do not come from other candidates' queues.
using Candidates = std::map<File*, size_t>;

Candidates FindCandidates(const InFlight& in_flight) {
  Candidates candidates;
  for (const auto& [file, count] : in_flight.sockets) {
    if (file->ref_count() == static_cast<long>(count)) candidates.emplace(file, count);
  }
  return candidates;
}

void Subtract(Candidates& candidates) {
  for (auto& [file, count] : candidates) {
    for (File* inside : EndpointOf(*file).FilesInQueue()) {
      auto it = candidates.find(inside);
      if (it != candidates.end() && it->second > 0) --it->second;
    }
  }
}

// A candidate with references left is alive, and so is all its queue leads to.
void Revive(Candidates& candidates) {
  std::vector<File*> alive;
  for (auto& [file, count] : candidates) {
    if (count > 0) alive.push_back(file);
  }
  for (File* file : alive) candidates.erase(file);
  while (!alive.empty()) {
    File* file = alive.back();
    alive.pop_back();
    for (File* inside : EndpointOf(*file).FilesInQueue()) {
      if (candidates.erase(inside) > 0) alive.push_back(inside);
    }
  }
}

// Few sockets in flight are looked at whenever one closes.
bool WorthALook(InFlight& in_flight) {
  constexpr size_t kFew = 256, kShare = 32;
  if (in_flight.sockets.size() > kFew && ++in_flight.closes < in_flight.sockets.size() / kShare) return false;
  in_flight.closes = 0;
  return true;
}

std::deque<UnixPacket> TakeGarbage(bool now) {
  std::deque<UnixPacket> garbage;
  InFlightLock l;
  if (!WorthALook(TheInFlight()) && !now) return garbage;
  Candidates candidates = FindCandidates(TheInFlight());
  Subtract(candidates);
  Revive(candidates);
  for (auto& [file, count] : candidates) {
    for (UnixPacket& packet : EndpointOf(*file).TakeQueue()) {
      garbage.push_back(std::move(packet));
    }
  }
  return garbage;
}

// Dropping a socket drops its packets, whose files may be sockets: done in a loop, because chains can be
// longer than the stack is deep.
thread_local std::vector<std::deque<UnixPacket>>* dropping = nullptr;

}  // namespace

InFlightLock::InFlightLock() ABSL_NO_THREAD_SAFETY_ANALYSIS { TheInFlight().mu.Lock(); }
InFlightLock::~InFlightLock() ABSL_NO_THREAD_SAFETY_ANALYSIS { TheInFlight().mu.Unlock(); }

void AddInFlight(const std::vector<RefPtr<File>>& files, const UnixEndpoint& receiver) {
  if (files.empty()) return;
  InFlight& in_flight = TheInFlight();
  InFlightLock l;
  in_flight.total += files.size();
  for (const RefPtr<File>& file : files) {
    if (FileAs<UnixSocket>(*file) != nullptr) ++in_flight.sockets[file.get()];
  }
  File* const into = receiver.file.load();  // null: in a listener's backlog, which may be in flight
  if (into == nullptr || in_flight.sockets.contains(into)) in_flight.maybe_cyclic = true;
}

void RemoveInFlight(const InFlightLock&, const std::vector<RefPtr<File>>& files) {
  InFlight& in_flight = TheInFlight();
  in_flight.total -= files.size();
  for (const RefPtr<File>& file : files) {
    auto it = in_flight.sockets.find(file.get());
    if (it != in_flight.sockets.end() && --it->second == 0) in_flight.sockets.erase(it);
  }
  if (in_flight.sockets.empty()) in_flight.maybe_cyclic = false;
}

void RemoveInFlight(const std::vector<RefPtr<File>>& files) {
  if (files.empty()) return;
  InFlightLock l;
  RemoveInFlight(l, files);
}

void DropPackets(std::deque<UnixPacket> packets) {
  if (packets.empty()) return;
  for (UnixPacket& packet : packets) RemoveInFlight(packet.files);
  if (dropping != nullptr) {
    dropping->push_back(std::move(packets));
    return;
  }
  std::vector<std::deque<UnixPacket>> rest;
  dropping = &rest;
  packets.clear();
  while (!rest.empty()) {
    std::deque<UnixPacket> next = std::move(rest.back());
    rest.pop_back();
    next.clear();
  }
  dropping = nullptr;
}

size_t InFlightCount() { return TheInFlight().total.load(); }

void CollectUnixGarbage(bool now) {
  if (!TheInFlight().maybe_cyclic.load() || dropping != nullptr) return;
  std::deque<UnixPacket> garbage = TakeGarbage(now);
  for (UnixPacket& packet : garbage) packet.sender->Refund(packet.charge);
  DropPackets(std::move(garbage));
}

}  // namespace runsc
