#include "sentry/kernel/mapped_files.h"

#include <algorithm>

namespace runsc {

void MappedFiles::SplitAt(GuestAddr addr) {
  auto it = entries_.lower_bound(addr);
  if (it == entries_.begin()) return;
  Entry& below = std::prev(it)->second;
  if (below.end <= addr) return;
  entries_.emplace_hint(it, addr, below);
  below.end = addr;
}

MappedFiles::Dropped MappedFiles::Remove(Range range) {
  if (range.start >= range.end) return {};
  SplitAt(range.start);
  SplitAt(range.end);
  Dropped dropped;
  const auto first = entries_.lower_bound(range.start), last = entries_.lower_bound(range.end);
  for (auto it = first; it != last; ++it) dropped.push_back(std::move(it->second.file));
  entries_.erase(first, last);
  return dropped;
}

MappedFiles::Dropped MappedFiles::Add(Range range, RefPtr<File> file) {
  Dropped dropped = Remove(range);
  entries_[range.start] = {range.end, std::move(file)};
  return dropped;
}

MappedFiles::Dropped MappedFiles::Move(Range from, Range to, bool keep) {
  RefPtr<File> file = Find(from.start);
  Dropped dropped = keep ? Dropped() : Remove(from);
  Dropped replaced = file ? Add(to, std::move(file)) : Remove(to);
  dropped.insert(dropped.end(), std::make_move_iterator(replaced.begin()), std::make_move_iterator(replaced.end()));
  return dropped;
}

RefPtr<File> MappedFiles::Find(GuestAddr addr) const {
  auto it = entries_.upper_bound(addr);
  if (it == entries_.begin()) return nullptr;
  const Entry& entry = std::prev(it)->second;
  return addr < entry.end ? entry.file : nullptr;
}

MappedFiles::Dropped MappedFiles::KeepOnly(std::span<const Range> mapped) {
  Dropped dropped;
  GuestAddr hole = 0;
  const auto drop = [&](GuestAddr end) {
    for (auto& file : Remove({hole, std::max(hole, end)})) dropped.push_back(std::move(file));
  };
  for (const Range& range : mapped) {
    drop(range.start);
    hole = range.end;
  }
  drop(~GuestAddr{0});
  limit_ = std::max(kMinLimit, 2 * entries_.size());
  return dropped;
}

}  // namespace runsc
