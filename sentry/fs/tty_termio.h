// The System V form of terminal settings (TCGETA, TCSETA): the low halves of the flags, eight control characters.
#pragma once

#include <algorithm>

#include "sentry/fs/tty_settings.h"

namespace runsc {

struct TtyTermio {
  uint16_t iflag, oflag, cflag, lflag;
  uint8_t line;
  uint8_t cc[8];
};
static_assert(sizeof(TtyTermio) == 18);

inline TtyTermio ToTermio(const TtySettings& settings) {
  TtyTermio termio{};
  termio.iflag = static_cast<uint16_t>(settings.iflag), termio.oflag = static_cast<uint16_t>(settings.oflag);
  termio.cflag = static_cast<uint16_t>(settings.cflag), termio.lflag = static_cast<uint16_t>(settings.lflag);
  termio.line = settings.line;
  std::copy_n(settings.cc, 8, termio.cc);
  return termio;
}

// What `termio` cannot say stays.
inline TtySettings WithTermio(TtySettings settings, const TtyTermio& termio) {
  constexpr uint32_t kHigh = 0xffff0000;
  settings.iflag = (settings.iflag & kHigh) | termio.iflag, settings.oflag = (settings.oflag & kHigh) | termio.oflag;
  settings.cflag = (settings.cflag & kHigh) | termio.cflag, settings.lflag = (settings.lflag & kHigh) | termio.lflag;
  settings.line = termio.line;
  std::copy_n(termio.cc, 8, settings.cc);
  return settings;
}

}  // namespace runsc
