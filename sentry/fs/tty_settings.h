// Terminal settings as the kernel ABI has them (termios(3), struct termios of asm-generic/termbits.h).
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include <cstdint>

namespace runsc {

struct TtySettings {
  uint32_t iflag = ICRNL | IXON;
  uint32_t oflag = OPOST | ONLCR;
  uint32_t cflag = B38400 | CS8 | CREAD;
  uint32_t lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  uint8_t line = 0;
  uint8_t cc[19] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0};

  bool canonical() const { return lflag & ICANON; }
  // ^S and ^Q stop and start output: what a remote terminal can do by itself.
  bool usual_flow() const { return (iflag & IXON) && cc[VSTOP] == 19 && cc[VSTART] == 17; }
  // A control character that is set and equals `c`.
  bool Is(int index, uint8_t c) const { return cc[index] != 0 && cc[index] == c; }
};
static_assert(sizeof(TtySettings) == 36);

}  // namespace runsc
