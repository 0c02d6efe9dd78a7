// One packet with at most one descriptor beside it, sent or received whole.
#pragma once

#include <span>

#include "platform/base/unique_fd.h"

namespace runsc {

// The parts one after the other. False: the other side is gone.
bool SendPacket(int channel, std::span<const std::byte> header, std::span<const std::byte> body, int fd);

// Its size, and the descriptor if one came. Negative: the other side is gone, or sent what does not fit or more than
// one descriptor; none stays open then.
long ReceivePacket(int channel, std::span<std::byte> buffer, UniqueFd* fd);

}  // namespace runsc
