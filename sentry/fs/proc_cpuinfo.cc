#include "sentry/fs/proc_cpuinfo.h"

#include <cpuid.h>

#include <cstring>

#include "sentry/fs/simple_fs_host.h"
#include "sentry/fs/simple_fs_text.h"

namespace runsc {
namespace {

struct Feature {
  unsigned leaf;
  char reg;  // 'b', 'c', 'd'
  int bit;
  const char* name;
};

// What programs look for; the host's own list, when it can be read, has all of them.
constexpr Feature kFeatures[] = {
    {1, 'd', 0, "fpu"},      {1, 'd', 4, "tsc"},      {1, 'd', 8, "cx8"},       {1, 'd', 15, "cmov"},
    {1, 'd', 23, "mmx"},     {1, 'd', 24, "fxsr"},    {1, 'd', 25, "sse"},      {1, 'd', 26, "sse2"},
    {1, 'd', 28, "ht"},      {1, 'c', 0, "pni"},      {1, 'c', 1, "pclmulqdq"}, {1, 'c', 9, "ssse3"},
    {1, 'c', 12, "fma"},     {1, 'c', 13, "cx16"},    {1, 'c', 19, "sse4_1"},   {1, 'c', 20, "sse4_2"},
    {1, 'c', 22, "movbe"},   {1, 'c', 23, "popcnt"},  {1, 'c', 25, "aes"},      {1, 'c', 26, "xsave"},
    {1, 'c', 28, "avx"},     {1, 'c', 29, "f16c"},    {1, 'c', 30, "rdrand"},   {1, 'c', 31, "hypervisor"},
    {7, 'b', 0, "fsgsbase"}, {7, 'b', 3, "bmi1"},     {7, 'b', 5, "avx2"},      {7, 'b', 8, "bmi2"},
    {7, 'b', 9, "erms"},     {7, 'b', 16, "avx512f"}, {7, 'b', 18, "rdseed"},   {7, 'b', 19, "adx"},
    {7, 'b', 29, "sha_ni"},  {7, 'd', 4, "fsrm"},
};

struct CpuidLeaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

CpuidLeaf Query(unsigned leaf) {
  CpuidLeaf r;
  if (!__get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}

bool HasFeature(const Feature& feature) {
  const CpuidLeaf r = Query(feature.leaf);
  const unsigned value = feature.reg == 'b' ? r.b : feature.reg == 'c' ? r.c : r.d;
  return (value >> feature.bit) & 1;
}

std::string FeatureNames() {
  std::string names;
  for (const Feature& feature : kFeatures) {
    if (HasFeature(feature)) names += std::string(" ") + feature.name;
  }
  return names;
}

std::string Vendor() {
  const CpuidLeaf r = Query(0);
  char text[13] = {};
  std::memcpy(text, &r.b, 4);
  std::memcpy(text + 4, &r.d, 4);
  std::memcpy(text + 8, &r.c, 4);
  return text;
}

std::string ModelName() {
  char text[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    const CpuidLeaf r = Query(0x80000002 + i);
    std::memcpy(text + 16 * i, &r, 16);
  }
  return text;
}

std::string OneProcessor(int number) {
  const unsigned signature = Query(1).a;
  unsigned family = (signature >> 8) & 15, model = (signature >> 4) & 15;
  if (family == 6 || family == 15) model |= ((signature >> 16) & 15) << 4;
  if (family == 15) family += (signature >> 20) & 255;
  std::string out = Format("processor\t: %d\nvendor_id\t: %s\ncpu family\t: %u\n", number, Vendor().c_str(), family);
  AppendFormat(&out, "model\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n", model, ModelName().c_str(), signature & 15);
  AppendFormat(&out, "physical id\t: 0\ncore id\t\t: %d\nfpu\t\t: yes\nflags\t\t:%s\n\n", number,
               FeatureNames().c_str());
  return out;
}

}  // namespace

std::string FirstProcessors(const std::string& text, int cpus) {
  size_t at = 0;
  for (int i = 0; i < cpus && at < text.size(); ++i) {
    const size_t end = text.find("\n\n", at);
    if (end == std::string::npos) return text;
    at = end + 2;
  }
  return text.substr(0, at);
}

std::string CpuinfoText(int cpus) {
  const auto host = ReadHostText("/proc/cpuinfo");
  if (host.ok() && host->starts_with("processor")) return FirstProcessors(*host, cpus);
  std::string out;
  for (int i = 0; i < cpus; ++i) out += OneProcessor(i);
  return out;
}

}  // namespace runsc
