#include "platform/host/forked_program_unsafe.h"

#include <sys/prctl.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

extern char** environ;

namespace runsc {
namespace {

struct Program {
  ProgramMain main = nullptr;
  std::span<char> command_line;  // what /proc/PID/cmdline shows
  std::span<char> environment;
};

Program program;

// The memory of strings that lie one behind the other, as the host puts them.
std::span<char> MemoryOf(char** strings, size_t count) {
  if (count == 0) return {};
  return {strings[0], strings[count - 1] + strlen(strings[count - 1]) + 1};
}

size_t CountStrings(char** strings) {
  size_t count = 0;
  while (strings[count] != nullptr) ++count;
  return count;
}

// As much of it as there is room for.
void ShowCommandLine(std::span<char* const> argv) {
  std::span<char> room = program.command_line;
  std::fill(room.begin(), room.end(), '\0');
  for (const char* argument : argv) {
    if (room.empty()) return;
    const size_t size = std::min(strlen(argument), room.size() - 1);  // the host looks for the last byte to be 0
    memcpy(room.data(), argument, size);
    room = room.subspan(size + 1);
  }
}

}  // namespace

void AllowForkedHelpers(int argc, char** argv, ProgramMain main) {
  program.main = main;
  program.command_line = MemoryOf(argv, static_cast<size_t>(argc));
  program.environment = MemoryOf(environ, CountStrings(environ));
}

int* ThreadNumberForFork() {
  int* number = nullptr;
  if (program.main == nullptr || !__libc_single_threaded) return nullptr;
  return prctl(PR_GET_TID_ADDRESS, &number, 0, 0, 0) == 0 ? number : nullptr;
}

void RunForkedProgram(char* const* argv) {
  std::vector<char*> strings;
  for (; *argv != nullptr; ++argv) strings.push_back(*argv);
  std::fill(program.environment.begin(), program.environment.end(), '\0');
  static char* no_environment[] = {nullptr};
  environ = no_environment;
  ShowCommandLine(strings);
  const std::vector<std::string_view> args(strings.begin() + 1, strings.end());
  _exit(program.main(args));
}

}  // namespace runsc
