// Text that came from a container, for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace runsc {

// `text` with `?` for what a terminal would obey instead of showing: control characters, one of two bytes too.
inline std::string Printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    const bool two_bytes = c == 0xc2 && next >= 0x80 && next < 0xa0;  // U+0080 to U+009F
    out += c < 0x20 || c == 0x7f || two_bytes ? '?' : text[i];
    i += two_bytes;
  }
  return out;
}

}  // namespace runsc
