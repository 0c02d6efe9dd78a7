// How runsc starts itself again as one of its internal verbs.
#pragma once

#include <string>
#include <string_view>

#include "platform/host/child_process_unsafe.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {

// Command line and descriptors of a child, numbered from 3 on in the order they are passed.
class ChildArguments {
 public:
  ChildArguments(std::string_view process_name, const FlagSet& globals) {
    options_.argv.emplace_back(process_name);
    for (std::string& arg : globals.ToArgs()) {
      if (!arg.substr(0, arg.find('=')).ends_with("log-fd")) options_.argv.push_back(std::move(arg));
    }
    if (Log::log_fd() >= 0) Add(Cat("--log-fd=", Pass(Log::log_fd())));
    if (Log::debug_log_fd() >= 0) Add(Cat("--debug-log-fd=", Pass(Log::debug_log_fd())));
    if (Log::panic_log_fd() >= 0) Add(Cat("--panic-log-fd=", Pass(Log::panic_log_fd())));
  }
  void Add(std::string argument) { options_.argv.push_back(std::move(argument)); }
  void PassAs(int fd, int target) { options_.fds.push_back({fd, target}); }
  int Pass(int fd) {
    PassAs(fd, next_);
    return next_++;
  }
  SpawnOptions& options() { return options_; }

 private:
  SpawnOptions options_;
  int next_ = 3;
};

}  // namespace runsc
