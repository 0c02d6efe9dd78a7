// The stub's text, built in.
#pragma once

#include <cstddef>
#include <span>

namespace runsc::stub {

std::span<const std::byte> StubImage();

}  // namespace runsc::stub
