// Which names of a host directory are looked up next: after a listing, those that follow in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace runsc {

// find, ls -l and tar list a directory and then look up each name, and a trip to the gofer for each would be most of
// their time. Once a second name of a listing is looked up, more and more of those that follow come with it.
// Not thread-safe.
class LookupAhead {
 public:
  // A listing was taken. Only its first kMaxNames are kept. `window` names come with the first trip.
  void Listed(std::vector<std::string> names, size_t window = 1);
  size_t window() const { return window_; }
  // `name`, and behind it up to `most` - 1 others that are worth fetching in the same trip. No name of a listing is
  // given twice.
  std::vector<std::string> Take(std::string_view name, size_t most);

  static constexpr size_t kMaxNames = 16384;

 private:
  size_t PositionOf(std::string_view name) const;

  std::vector<std::string> names_;  // in the order of the listing; "": was taken
  size_t left_ = 0;                 // not taken yet
  size_t next_ = 0;                 // where to look first
  size_t window_ = 1;               // names of the next trip
};

}  // namespace runsc
