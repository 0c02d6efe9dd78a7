// What a mistyped word was most likely meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace runsc {

// ` (did you mean "NAME"?)` for the name nearest to `word`, or nothing when none is near.
std::string Suggestion(std::string_view word, std::span<const std::string_view> names);

}  // namespace runsc
