// When a message was sent, as ancillary data.
#pragma once

#include <sys/time.h>

#include "sentry/net/option_values.h"
#include "sentry/net/socket.h"

namespace runsc {

// `option`: SO_TIMESTAMP or SO_TIMESTAMPNS.
inline ControlItem TimestampItem(int option, int64_t ns) {
  const timespec ts = ToTimespec(ns);
  if (option == SO_TIMESTAMPNS) return {SOL_SOCKET, option, OptionBytes(ts)};
  return {SOL_SOCKET, option, OptionBytes(timeval{ts.tv_sec, ts.tv_nsec / 1000})};
}

}  // namespace runsc
