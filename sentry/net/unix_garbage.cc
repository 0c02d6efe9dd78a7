// Cycle collection over sockets in flight, as Linux's classic algorithm: a socket all of whose references
// are in flight is a candidate; candidates that are reachable only from candidates are garbage.
#include "sentry/net/unix_garbage.h"

#include <map>

#include "sentry/net/unix_socket.h"

namespace runsc {
namespace {

struct InFlight {
  Mutex mu{LockRank::kFileWatch};
  std::map<File*, size_t> sockets;  // guarded by mu: references to unix sockets that are in queues
  std::atomic<size_t> socket_count{0};
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

std::deque<UnixPacket> TakeGarbage() {
  std::deque<UnixPacket> garbage;
  InFlightLock l;
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

void AddInFlight(const std::vector<RefPtr<File>>& files) {
  if (files.empty()) return;
  InFlight& in_flight = TheInFlight();
  InFlightLock l;
  in_flight.total += files.size();
  for (const RefPtr<File>& file : files) {
    if (FileAs<UnixSocket>(*file) != nullptr) ++in_flight.sockets[file.get()];
  }
  in_flight.socket_count = in_flight.sockets.size();
}

void RemoveInFlight(const InFlightLock&, const std::vector<RefPtr<File>>& files) {
  InFlight& in_flight = TheInFlight();
  in_flight.total -= files.size();
  for (const RefPtr<File>& file : files) {
    auto it = in_flight.sockets.find(file.get());
    if (it != in_flight.sockets.end() && --it->second == 0) in_flight.sockets.erase(it);
  }
  in_flight.socket_count = in_flight.sockets.size();
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

void CollectUnixGarbage() {
  if (TheInFlight().socket_count.load() == 0 || dropping != nullptr) return;
  std::deque<UnixPacket> garbage = TakeGarbage();
  for (UnixPacket& packet : garbage) packet.sender->Refund(packet.charge);
  DropPackets(std::move(garbage));
}

}  // namespace runsc
