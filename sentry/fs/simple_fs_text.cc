#include "sentry/fs/simple_fs_text.h"

#include <stdarg.h>
#include <stdio.h>

namespace runsc {
namespace {

void AppendV(std::string* out, const char* format, va_list args) {
  char buffer[512];
  va_list again;
  va_copy(again, args);
  const int size = vsnprintf(buffer, sizeof(buffer), format, args);
  if (size >= 0 && static_cast<size_t>(size) < sizeof(buffer)) {
    out->append(buffer, size);
  } else if (size >= 0) {
    const size_t start = out->size();
    out->resize(start + size + 1);
    vsnprintf(out->data() + start, size + 1, format, again);
    out->resize(start + size);
  }
  va_end(again);
}

}  // namespace

std::string Format(const char* format, ...) {
  std::string out;
  va_list args;
  va_start(args, format);
  AppendV(&out, format, args);
  va_end(args);
  return out;
}

void AppendFormat(std::string* out, const char* format, ...) {
  va_list args;
  va_start(args, format);
  AppendV(out, format, args);
  va_end(args);
}

}  // namespace runsc
