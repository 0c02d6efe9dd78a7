// What bounds the System V objects of an IPC namespace. Each is a file of /proc/sys/kernel (sentry/fs/ipc_sysctl.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace runsc {

struct IpcLimits {
  std::atomic<uint64_t> msg_max{8192}, msg_mnb{16384}, msg_mni{32000};
  std::atomic<uint64_t> sem_msl{32000}, sem_mns{1024000000}, sem_opm{500}, sem_mni{32000};
  std::atomic<uint64_t> shm_max{~uint64_t{0} - (uint64_t{1} << 24)},
      shm_all{~uint64_t{0} - (uint64_t{1} << 24)};  // bytes; pages
  std::atomic<uint64_t> shm_mni{4096};
};

}  // namespace runsc
