#include "sentry/fs/simple_fs_cpus.h"

#include "sentry/fs/simple_fs_text.h"

namespace runsc {

CpuSet CpuRange(int first, int count) {
  CpuSet cpus(first + count);
  for (int i = first; i < first + count; ++i) cpus[i] = true;
  return cpus;
}

std::string CpuMaskText(const CpuSet& cpus) {
  std::vector<uint32_t> words((cpus.size() + 31) / 32);
  for (size_t i = 0; i < cpus.size(); ++i) words[i / 32] |= uint32_t{cpus[i]} << (i % 32);
  std::string text;
  for (size_t i = words.size(); i-- > 0;) AppendFormat(&text, text.empty() ? "%x" : ",%08x", words[i]);
  return text.empty() ? "0" : text;
}

std::string CpuListText(const CpuSet& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size(); ++i) {
    if (!cpus[i]) continue;
    const size_t first = i;
    while (i + 1 < cpus.size() && cpus[i + 1]) ++i;
    AppendFormat(&text, "%s%zu", text.empty() ? "" : ",", first);
    if (i > first) AppendFormat(&text, "-%zu", i);
  }
  return text;
}

}  // namespace runsc
