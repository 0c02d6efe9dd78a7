// What a mount's flags say of the time of last access.
#pragma once

#include <sys/mount.h>

#include <cstdint>

namespace runsc {

// kRelative: only when it tells something new (relatime, which is the default).
enum class AtimeRule : uint8_t { kNever, kRelative, kAlways };

inline constexpr uint64_t kAtimeFlags = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;

inline AtimeRule AtimeRuleOf(uint64_t mount_flags) {
  if (mount_flags & MS_STRICTATIME) return AtimeRule::kAlways;
  return mount_flags & MS_NOATIME ? AtimeRule::kNever : AtimeRule::kRelative;
}

// Exactly one of MS_NOATIME and MS_RELATIME, or none for MS_STRICTATIME.
inline uint64_t WithPlainAtime(uint64_t mount_flags) {
  const AtimeRule rule = AtimeRuleOf(mount_flags);
  mount_flags &= ~uint64_t{MS_NOATIME | MS_RELATIME};
  return rule == AtimeRule::kAlways ? mount_flags
                                    : mount_flags | (rule == AtimeRule::kNever ? MS_NOATIME : MS_RELATIME);
}

}  // namespace runsc
