// See stub_image.h. STUB_BINARY is the path of the linked stub, given by stub.cmake.
#include "platform/stub/stub_image.h"

asm(".pushsection .rodata\n"
    ".balign 16\n"
    ".globl runsc_stub_begin, runsc_stub_end\n"
    "runsc_stub_begin: .incbin \"" STUB_BINARY
    "\"\n"
    "runsc_stub_end:\n"
    ".popsection\n");

extern "C" const std::byte runsc_stub_begin[], runsc_stub_end[];

namespace runsc::stub {

std::span<const std::byte> StubImage() {
  return {runsc_stub_begin, static_cast<size_t>(runsc_stub_end - runsc_stub_begin)};
}

}  // namespace runsc::stub
