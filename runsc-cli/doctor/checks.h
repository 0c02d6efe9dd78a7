// What a host must have for sandboxes, checked one by one.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace runsc {

enum class Severity { kGood, kWarning, kProblem };

struct Finding {
  Severity severity = Severity::kGood;
  std::string subject, observation;
  std::string remedy;  // what to do; empty when good
};

// What the checks look at; replaced in tests.
struct Host {
  Host();
  std::function<std::string(const std::string& path)> read;  // a file's text; "" when it cannot be read
  std::function<bool(const std::string& path)> exists;
  std::function<int()> try_namespaces;  // errno of making every namespace a sandbox needs
  std::function<int()> try_seccomp;     // errno of asking for the filter actions
  std::function<bool()> has_traps;      // filters can raise SIGSYS
  std::string release;                  // uname -r
  unsigned uid = 0;
};

std::vector<Finding> RunChecks(const Host& host);

}  // namespace runsc
