// One socket to the gofer, used for one call at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "gofer/protocol.h"
#include "platform/base/mutex.h"
#include "platform/base/unique_fd.h"

namespace runsc {

class GoferChannel {
 public:
  struct Packet {
    MessageHeader header{};
    std::string body;
    UniqueFd fd;
  };

  Mutex mu{LockRank::kGoferClient};

  explicit GoferChannel(UniqueFd socket);

  // Sends one request (header still to be filled in, then body) and waits for its reply. False if the
  // gofer is gone or its reply does not belong to this request: the channel is useless from then on.
  bool Exchange(std::span<std::byte> request, GoferOp op, Packet* reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Every Exchange() fails from now on.
  void Close() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

 private:
  bool SendRequest(std::span<const std::byte> request);
  bool Receive(Packet* reply);
  bool Unpack(size_t size, Packet* reply);

  UniqueFd socket_;
  uint32_t sequence_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace runsc
