#include "sentry/net/net_settings.h"

#include <algorithm>

namespace runsc {
namespace {

constexpr NetSettingRow kRows[] = {
#define ACTS(name, path, least, most, initial) {path, least, most, initial},
#define KEPT(...)
#define CONF4(...)
#define CONF6(...)
#include "sentry/net/net_settings.inc"
#undef ACTS
#undef KEPT
#undef CONF4
#undef CONF6
#define ROWS_OF(conf, setting, least, most, initial)                                              \
  {conf "/all/" setting, least, most, initial}, {conf "/default/" setting, least, most, initial}, \
      {conf "/lo/" setting, least, most, initial},
#define ACTS(...)
#define KEPT(path, least, most, initial) {path, least, most, initial},
#define CONF4(...) ROWS_OF("ipv4/conf", __VA_ARGS__)
#define CONF6(...) ROWS_OF("ipv6/conf", __VA_ARGS__)
#include "sentry/net/net_settings.inc"
#undef ACTS
#undef KEPT
#undef CONF4
#undef CONF6
#undef ROWS_OF
};

constexpr size_t kOfAll[] = {NetSetting::kForwarding4, NetSetting::kForwarding6,
                             NetSetting::kNoV6};  // followed by the default's and lo's

}  // namespace

std::span<const NetSettingRow> NetSettingRows() { return kRows; }

bool LocalPorts::IsReserved(uint16_t port) const {
  return std::any_of(reserved.begin(), reserved.end(),
                     [port](const Range& range) { return range.first <= port && port <= range.second; });
}

NetSettings::NetSettings() : values_(std::size(kRows)), local_ports_(std::make_shared<const LocalPorts>()) {
  for (size_t i = 0; i < values_.size(); ++i) values_[i] = kRows[i].initial;
}

Result<void> NetSettings::Set(size_t setting, int value) {
  const NetSettingRow& row = kRows[setting];
  if (value < row.least || value > row.most) return Errno(EINVAL);
  if (setting == NetSetting::kFirstOpenPort && value > local_ports()->range.first) return Errno(EINVAL);
  values_[setting] = value;
  if (std::find(std::begin(kOfAll), std::end(kOfAll), setting) != std::end(kOfAll)) {
    values_[setting + 1] = values_[setting + 2] = value;
  }
  return {};
}

std::shared_ptr<const LocalPorts> NetSettings::local_ports() const {
  MutexLock l(mu_);
  return local_ports_;
}

Result<void> NetSettings::SetPortRange(LocalPorts::Range range) {
  if (range.first > range.second || range.first < at(NetSetting::kFirstOpenPort)) return Errno(EINVAL);
  MutexLock l(mu_);
  local_ports_ = std::make_shared<const LocalPorts>(LocalPorts{range, local_ports_->reserved});
  return {};
}

void NetSettings::SetReservedPorts(std::vector<LocalPorts::Range> reserved) {
  std::sort(reserved.begin(), reserved.end());
  LocalPorts next;
  for (const LocalPorts::Range& one : reserved) {
    if (!next.reserved.empty() && one.first <= uint32_t{next.reserved.back().second} + 1) {
      next.reserved.back().second = std::max(next.reserved.back().second, one.second);
    } else {
      next.reserved.push_back(one);
    }
  }
  MutexLock l(mu_);
  next.range = local_ports_->range;
  local_ports_ = std::make_shared<const LocalPorts>(std::move(next));
}

NetSettings::Buffer NetSettings::receive_buffer() const {
  MutexLock l(mu_);
  return receive_buffer_;
}

NetSettings::Buffer NetSettings::send_buffer() const {
  MutexLock l(mu_);
  return send_buffer_;
}

void NetSettings::set_receive_buffer(const Buffer& buffer) {
  MutexLock l(mu_);
  receive_buffer_ = buffer;
}

void NetSettings::set_send_buffer(const Buffer& buffer) {
  MutexLock l(mu_);
  send_buffer_ = buffer;
}

}  // namespace runsc
