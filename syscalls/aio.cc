// Linux asynchronous I/O: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2). Requests are
// carried out while they are submitted, as Linux does for files in its page cache.
#include "sentry/fs/aio.h"

#include <algorithm>

#include "sentry/fs/eventfd.h"
#include "sentry/kernel/task.h"
#include "syscalls/handlers.h"
#include "syscalls/ipc_handlers.h"

namespace runsc {
namespace {

Result<void> CheckRequest(Task& task, const iocb& request) {
  if (request.aio_reserved2 != 0 || static_cast<int64_t>(request.aio_nbytes) < 0) return Errno(EINVAL);
  if (request.aio_flags & ~static_cast<uint32_t>(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO)) return Errno(EINVAL);
  const RefPtr<File> file = TRY(task.fds().GetForIo(static_cast<int>(request.aio_fildes)));
  switch (request.aio_lio_opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PREADV:
      return file->readable() ? Result<void>() : Errno(EBADF);
    case IOCB_CMD_PWRITE:
    case IOCB_CMD_PWRITEV:
      return file->writable() ? Result<void>() : Errno(EBADF);
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC:
      return {};
    default:  // IOCB_CMD_POLL too, as on kernels before 4.18
      return Errno(EINVAL);
  }
}

SyscallResult AtOffset(Task& task, const iocb& r, int fd) {
  switch (r.aio_lio_opcode) {
    case IOCB_CMD_PREAD:
      return SysPread64(task, fd, r.aio_buf, r.aio_nbytes, r.aio_offset);
    case IOCB_CMD_PWRITE:
      return SysPwrite64(task, fd, r.aio_buf, r.aio_nbytes, r.aio_offset);
    case IOCB_CMD_PREADV:
      return SysPreadv(task, fd, r.aio_buf, r.aio_nbytes, r.aio_offset);
    case IOCB_CMD_PWRITEV:
      return SysPwritev(task, fd, r.aio_buf, r.aio_nbytes, r.aio_offset);
    case IOCB_CMD_FSYNC:
      return SysFsync(task, fd);
    default:
      return SysFdatasync(task, fd);
  }
}

// Pipes and sockets have no offset: it is ignored.
SyscallResult AsStream(Task& task, const iocb& r, int fd) {
  switch (r.aio_lio_opcode) {
    case IOCB_CMD_PREAD:
      return SysRead(task, fd, r.aio_buf, r.aio_nbytes);
    case IOCB_CMD_PWRITE:
      return SysWrite(task, fd, r.aio_buf, r.aio_nbytes);
    case IOCB_CMD_PREADV:
      return SysReadv(task, fd, r.aio_buf, r.aio_nbytes);
    default:
      return SysWritev(task, fd, r.aio_buf, r.aio_nbytes);
  }
}

int64_t Perform(Task& task, const iocb& request) {
  const int fd = static_cast<int>(request.aio_fildes);
  SyscallResult result = AtOffset(task, request, fd);
  if (!result.ok() && result.error() == Errno(ESPIPE)) result = AsStream(task, request, fd);
  if (result.ok()) return *result;
  return -(result.error().value() >= 512 ? EINTR : result.error().value());  // restart codes are for calls
}

// The eventfd that counts what is done. EINVAL for another file.
Result<RefPtr<File>> NotifiedFile(Task& task, const iocb& request) {
  if (!(request.aio_flags & IOCB_FLAG_RESFD)) return RefPtr<File>();
  RefPtr<File> file = TRY(task.fds().Get(static_cast<int>(request.aio_resfd)));
  return FileAs<EventFile>(*file) != nullptr ? Result<RefPtr<File>>(std::move(file)) : Errno(EINVAL);
}

void CountOne(Task& task, File& eventfd) {
  const uint64_t one = 1;
  BufferSource source(std::as_bytes(std::span(&one, 1)));
  (void)eventfd.Write(task, source, nullptr);  // at its maximum already: it says enough
}

Result<void> SubmitOne(Task& task, AioContext& context, GuestAddr request_addr) {
  const iocb request = TRY(task.CopyInObject<iocb>(request_addr));
  TRY(CheckRequest(task, request));
  const RefPtr<File> notified = TRY(NotifiedFile(task, request));
  TRY(context.Reserve());
  if (auto marked = task.CopyOutObject<uint32_t>(request_addr + offsetof(iocb, aio_key), 0); !marked.ok()) {
    context.CancelReservation();
    return marked;
  }
  io_event event{};
  event.data = request.aio_data;
  event.obj = request_addr;
  event.res = Perform(task, request);
  context.Complete(event);
  if (notified) CountOne(task, *notified);
  return {};
}

SyscallResult GetEvents(Task& task, GuestAddr id, int64_t min, int64_t count, GuestAddr events_addr,
                        GuestAddr timeout_addr, Errno interrupted) {
  Deadline deadline = kNever;
  if (timeout_addr != 0) {
    const auto timeout = TRY(task.CopyInObject<timespec>(timeout_addr));
    if (!IsValidTimespec(timeout)) return Errno(EINVAL);
    deadline = DeadlineAfter(Kernel::MonotonicNs(), ToNs(timeout));
  }
  const RefPtr<AioContext> context = TRY(FindAioContext(task, id));
  if (min < 0 || count < 0 || min > count) return Errno(EINVAL);
  const auto collected = context->Collect(task, static_cast<size_t>(min), static_cast<size_t>(count), deadline);
  if (!collected.ok()) return collected.error() == kRestartSys ? interrupted : collected.error();
  TRY(task.CopyOut(events_addr, collected->data(), collected->size() * sizeof(io_event)));
  return static_cast<int64_t>(collected->size());
}

}  // namespace

// io_setup(2)
SyscallResult SysIoSetup(Task& task, uint32_t capacity, GuestAddr id_addr) {
  if (TRY(task.CopyInObject<uint64_t>(id_addr)) != 0 || capacity == 0) return Errno(EINVAL);
  const GuestAddr id = TRY(AddAioContext(task, capacity));
  if (auto copied = task.CopyOutObject(id_addr, id); !copied.ok()) {
    (void)RemoveAioContext(task, id);
    return copied.error();
  }
  return 0;
}

// io_destroy(2)
SyscallResult SysIoDestroy(Task& task, GuestAddr id) {
  TRY(RemoveAioContext(task, id));
  return 0;
}

// io_submit(2): what was submitted beats the error of a later request.
SyscallResult SysIoSubmit(Task& task, GuestAddr id, int64_t count, GuestAddr requests) {
  const RefPtr<AioContext> context = TRY(FindAioContext(task, id));
  if (count < 0) return Errno(EINVAL);
  count = std::min<int64_t>(count, context->capacity());
  for (int64_t done = 0; done < count; ++done) {
    const auto request = task.CopyInObject<GuestAddr>(requests + static_cast<uint64_t>(done) * sizeof(GuestAddr));
    const Result<void> submitted = request.ok() ? SubmitOne(task, *context, *request) : request.error();
    if (!submitted.ok()) return done > 0 ? SyscallResult(done) : submitted.error();
  }
  return count;
}

// io_getevents(2)
SyscallResult SysIoGetevents(Task& task, GuestAddr id, int64_t min, int64_t count, GuestAddr events,
                             GuestAddr timeout) {
  return GetEvents(task, id, min, count, events, timeout, Errno(EINTR));
}

// io_pgetevents(2)
SyscallResult SysIoPgetevents(Task& task, GuestAddr id, int64_t min, int64_t count, GuestAddr events, GuestAddr timeout,
                              GuestAddr mask_addr) {
  struct {
    GuestAddr mask;
    uint64_t size;
  } argument{};
  if (mask_addr != 0) {
    TRY(task.CopyIn(mask_addr, &argument, sizeof(argument)));
    if (argument.mask != 0) {
      if (argument.size != sizeof(SignalSet)) return Errno(EINVAL);
      task.SetTemporarySignalMask(TRY(task.CopyInObject<SignalSet>(argument.mask)) & ~kUnblockable);
    }
  }
  return GetEvents(task, id, min, count, events, timeout, kRestartNoHand);
}

// io_cancel(2): nothing is ever in flight.
SyscallResult SysIoCancel(Task& task, GuestAddr id, GuestAddr request_addr, GuestAddr) {
  TRY(task.CopyInObject<uint32_t>(request_addr + offsetof(iocb, aio_key)));
  TRY(FindAioContext(task, id));
  return Errno(EINVAL);
}

}  // namespace runsc
