// A helper process that is a fork of this program instead of an execution of it. What that saves is the start of a
// program: relocation, page faults, and some 70 CPUID instructions of the C library, each of which traps in a virtual
// machine. What it costs is an address layout of its own: docs/adr/0012-the-sentry-is-a-fork.md.
#pragma once

#include <span>
#include <string_view>

namespace runsc {

// The program from its start, with the arguments after its name; its result is the exit status.
using ProgramMain = int (*)(std::span<const std::string_view> args);

// main() says here what a fork shall run, before it does anything else. A fork takes over the memory of `argv` and of
// the environment, which are to be as the host gave them.
void AllowForkedHelpers(int argc, char** argv, ProgramMain main);

// Where the C library keeps the number of the calling thread, for the host to write the number of the child's to; null
// when a fork cannot run the program: main() did not allow it, there were other threads, whose locks would stay held,
// or the host is without CONFIG_CHECKPOINT_RESTORE.
int* ThreadNumberForFork();

// In the child: takes the name and the arguments of `argv`, forgets the caller's environment, runs the program and
// exits.
[[noreturn]] void RunForkedProgram(char* const* argv);

}  // namespace runsc
