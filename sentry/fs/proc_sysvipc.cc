// /proc/sysvipc: the System V objects of the reader's namespace, as ipcs(1) reads them.
#include "sentry/fs/proc_sysvipc.h"

#include "sentry/fs/simple_fs_text.h"
#include "sentry/ipc/ipc_namespace.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

Result<std::string> ShmText(Task& reader) {
  std::string text =
      "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      "
      "dtime      ctime                   rss                  swap\n";
  SharedMemory& segments = IpcOf(reader).shared_memory;
  for (const auto& segment : segments.table().All()) {
    const uint64_t attached = segments.CountAttached(*segment);
    struct stat memory {};
    (void)fstat(segment->host_fd(), &memory);
    MutexLock l(segment->mu());
    if (!segment->CheckAccessLocked(*reader.creds(), 0444).ok()) continue;
    const struct shmid_ds s = segment->StatLocked();
    const struct ipc_perm& p = s.shm_perm;
    text += Format("%10d %10d  %4o %21lu %5u %5u  %5lu %5u %5u %5u %5u %10lu %10lu %10lu %21lu %21lu\n", p.__key,
                   segment->id(), p.mode, s.shm_segsz, s.shm_cpid, s.shm_lpid, attached, p.uid, p.gid, p.cuid, p.cgid,
                   s.shm_atime, s.shm_dtime, s.shm_ctime, static_cast<unsigned long>(memory.st_blocks) * 512, 0ul);
  }
  return text;
}

Result<std::string> SemText(Task& reader) {
  std::string text = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
  for (const auto& set : IpcOf(reader).semaphores.table().All()) {
    MutexLock l(set->mu());
    if (!set->CheckAccessLocked(*reader.creds(), 0444).ok()) continue;
    const struct semid_ds s = set->StatLocked();
    const struct ipc_perm& p = s.sem_perm;
    text += Format("%10d %10d  %4o %10lu %5u %5u %5u %5u %10lu %10lu\n", p.__key, set->id(), p.mode, s.sem_nsems, p.uid,
                   p.gid, p.cuid, p.cgid, s.sem_otime, s.sem_ctime);
  }
  return text;
}

Result<std::string> MsgText(Task& reader) {
  std::string text =
      "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime    "
      "  "
      "ctime\n";
  for (const auto& queue : IpcOf(reader).messages.table().All()) {
    MutexLock l(queue->mu());
    if (!queue->CheckAccessLocked(*reader.creds(), 0444).ok()) continue;
    const struct msqid_ds s = queue->StatLocked();
    const struct ipc_perm& p = s.msg_perm;
    text += Format("%10d %10d  %4o  %10lu %10lu %5u %5u %5u %5u %5u %5u %10lu %10lu %10lu\n", p.__key, queue->id(),
                   p.mode, s.__msg_cbytes, s.msg_qnum, s.msg_lspid, s.msg_lrpid, p.uid, p.gid, p.cuid, p.cgid,
                   s.msg_stime, s.msg_rtime, s.msg_ctime);
  }
  return text;
}

}  // namespace

void AddProcSysvIpc(SimpleDir& dir) {
  dir.AddText("shm", &ShmText);
  dir.AddText("sem", &SemText);
  dir.AddText("msg", &MsgText);
}

}  // namespace runsc
