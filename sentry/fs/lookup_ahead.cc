// The rest of a listing as a window that grows.
#include "sentry/fs/lookup_ahead.h"

#include <algorithm>
#include <utility>

namespace runsc {

void LookupAhead::Listed(std::vector<std::string> names, size_t window) {
  names.resize(std::min(names.size(), kMaxNames));
  names_ = std::move(names);
  left_ = names_.size();
  next_ = 0;
  window_ = window;
}

// From where the last trip ended, as that is where the next name usually is.
size_t LookupAhead::PositionOf(std::string_view name) const {
  const auto begin = names_.begin(), from = begin + static_cast<long>(next_);
  auto found = std::find(from, names_.end(), name);
  if (found == names_.end()) {
    found = std::find(begin, from, name);
    if (found == from) return names_.size();
  }
  return static_cast<size_t>(found - begin);
}

std::vector<std::string> LookupAhead::Take(std::string_view name, size_t most) {
  std::vector<std::string> taken = {std::string(name)};
  size_t at = name.empty() ? names_.size() : PositionOf(name);
  if (at == names_.size()) return taken;
  names_[at].clear();
  const size_t wanted = std::min(window_, most);
  while (++at < names_.size() && taken.size() < wanted) {
    if (!names_[at].empty()) taken.push_back(std::exchange(names_[at], {}));
  }
  next_ = at;
  window_ = std::min(window_ * 4, most);
  left_ -= taken.size();
  if (left_ == 0) Listed({});
  return taken;
}

}  // namespace runsc
