// Writing JSON text: just the escaping; building and reading documents is nlohmann's job.
#pragma once

#include <string>
#include <string_view>

namespace runsc {

// `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

}  // namespace runsc
