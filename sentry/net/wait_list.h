// Sockets that wait for room at another one. Nobody takes his own off: one whose description is gone is let go when
// the list has doubled, so that it holds no more than twice as many as there are.
#pragma once

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "platform/base/ref_ptr.h"

namespace runsc {

template <typename Endpoint>
class WaitList {
 public:
  using List = std::deque<RefPtr<Endpoint>>;

  // `gone`: who was let go, to be freed without locks.
  void Add(RefPtr<Endpoint> who, List* gone) {
    if (list_.size() >= limit_) LetGo(gone);
    list_.push_back(std::move(who));
  }
  bool Has(const RefPtr<Endpoint>& who) const { return std::find(list_.begin(), list_.end(), who) != list_.end(); }
  // Who waits longest; null: nobody.
  RefPtr<Endpoint> TakeFirst() {
    if (list_.empty()) return nullptr;
    RefPtr<Endpoint> first = std::move(list_.front());
    list_.pop_front();
    return first;
  }
  List TakeAll() { return std::exchange(list_, {}); }
  const List& all() const { return list_; }
  size_t size() const { return list_.size(); }

 private:
  static constexpr size_t kLeast = 64;

  void LetGo(List* gone) {
    const auto known = [](const RefPtr<Endpoint>& one) { return one->ref_count() > 1; };
    const auto first_gone = std::stable_partition(list_.begin(), list_.end(), known);
    std::move(first_gone, list_.end(), std::back_inserter(*gone));
    list_.erase(first_gone, list_.end());
    limit_ = std::max(kLeast, 2 * list_.size());
  }

  List list_;
  size_t limit_ = kLeast;
};

}  // namespace runsc
