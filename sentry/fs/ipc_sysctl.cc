#include "sentry/fs/ipc_sysctl.h"

#include <climits>

#include "sentry/fs/proc_sys.h"
#include "sentry/ipc/ipc_namespace.h"

namespace runsc {
namespace {

constexpr uint64_t kMaxIds = 32768;  // an id has 15 bits for its index

template <auto kLimit>
std::string ReadLimit(Task& reader) {
  return std::to_string((IpcOf(reader).limits.*kLimit).load());
}

template <auto kLimit, uint64_t kMax>
Result<void> WriteLimit(Task& writer, std::string_view text) {
  const std::optional<uint64_t> value = TakeNumber(text);
  if (!value || *value > kMax || !IsBlank(text)) return Errno(EINVAL);
  (IpcOf(writer).limits.*kLimit).store(*value);
  return {};
}

template <auto kLimit, uint64_t kMax>
ProcSysKnob Knob(const char* path) {
  return {path, ReadLimit<kLimit>, WriteLimit<kLimit, kMax>};
}

struct SemaphoreField {
  std::atomic<uint64_t> IpcLimits::*limit;
  uint64_t max;
};

constexpr SemaphoreField kSemaphoreFields[] = {{&IpcLimits::sem_msl, INT_MAX},
                                               {&IpcLimits::sem_mns, INT_MAX},
                                               {&IpcLimits::sem_opm, INT_MAX},
                                               {&IpcLimits::sem_mni, kMaxIds}};

std::string ReadSemaphores(Task& reader) {
  std::string text;
  for (const SemaphoreField& field : kSemaphoreFields) {
    if (!text.empty()) text += '\t';
    text += std::to_string((IpcOf(reader).limits.*field.limit).load());
  }
  return text;
}

// Fewer than four set the first ones.
Result<void> WriteSemaphores(Task& writer, std::string_view text) {
  std::vector<uint64_t> values;
  for (const SemaphoreField& field : kSemaphoreFields) {
    if (IsBlank(text)) break;
    const std::optional<uint64_t> value = TakeNumber(text);
    if (!value || *value > field.max) return Errno(EINVAL);
    values.push_back(*value);
  }
  for (size_t i = 0; i < values.size(); ++i) (IpcOf(writer).limits.*kSemaphoreFields[i].limit).store(values[i]);
  return {};
}

}  // namespace

void PublishIpcSysctls() {
  SetProcSysKnob(Knob<&IpcLimits::msg_max, INT_MAX>("kernel/msgmax"));
  SetProcSysKnob(Knob<&IpcLimits::msg_mnb, INT_MAX>("kernel/msgmnb"));
  SetProcSysKnob(Knob<&IpcLimits::msg_mni, kMaxIds>("kernel/msgmni"));
  SetProcSysKnob(Knob<&IpcLimits::shm_max, ULONG_MAX>("kernel/shmmax"));
  SetProcSysKnob(Knob<&IpcLimits::shm_all, ULONG_MAX>("kernel/shmall"));
  SetProcSysKnob(Knob<&IpcLimits::shm_mni, kMaxIds>("kernel/shmmni"));
  SetProcSysKnob({"kernel/sem", ReadSemaphores, WriteSemaphores});
}

}  // namespace runsc
