// The stub's text, built in.
#pragma once

#include <cstddef>
#include <span>

namespace runsc::systrap {

std::span<const std::byte> StubImage();

}  // namespace runsc::systrap
