// The nearest name by edit distance.
#include "runsc-cli/base/suggest.h"

#include <algorithm>
#include <vector>

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr size_t kLongestWord = 64;

// How many letters to add, drop, change or swap with their neighbour to get from one word to the other.
size_t EditDistance(std::string_view from, std::string_view to) {
  std::vector<std::vector<size_t>> cost(from.size() + 1, std::vector<size_t>(to.size() + 1));
  for (size_t i = 0; i <= from.size(); ++i) {
    for (size_t j = 0; j <= to.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const size_t change = from[i - 1] == to[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      const bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[from.size()][to.size()];
}

}  // namespace

std::string Suggestion(std::string_view word, std::span<const std::string_view> names) {
  if (word.size() > kLongestWord) return {};
  std::string_view nearest;
  size_t least = std::min<size_t>(2, word.size() / 2) + 1;
  for (std::string_view name : names) {
    const size_t distance = EditDistance(word, name);
    if (distance < least) nearest = name, least = distance;
  }
  return nearest.empty() ? std::string() : Cat(" (did you mean \"", nearest, "\"?)");
}

}  // namespace runsc
