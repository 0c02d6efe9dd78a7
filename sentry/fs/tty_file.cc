// Reading, writing and controlling pseudo-terminals.
#include "sentry/fs/tty_file.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <array>

#include "sentry/fs/devpts.h"
#include "sentry/fs/tty_session.h"
#include "sentry/fs/tty_termio.h"
#include "sentry/kernel/task.h"

namespace runsc {

Result<void> TtyFile::ChangeSettings(Task& task, uint32_t request, uint64_t arg) {
  TRY(CheckForeground(task, *tty_, SIGTTOU));
  const bool old_form = request == TCSETA || request == TCSETAW || request == TCSETAF;
  const TtySettings wanted = old_form ? WithTermio(tty_->settings(), TRY(task.CopyInObject<TtyTermio>(arg)))
                                      : TRY(task.CopyInObject<TtySettings>(arg));
  tty_->SetSettings(wanted, request == TCSETSF || request == TCSETAF);
  return {};
}

Result<int64_t> TtyFile::CommonIoctl(Task& task, uint32_t request, uint64_t arg) {
  switch (request) {
    case TCGETS:
      TRY(task.CopyOutObject(arg, tty_->settings()));
      return int64_t{0};
    case TCGETA:
      TRY(task.CopyOutObject(arg, ToTermio(tty_->settings())));
      return int64_t{0};
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
      TRY(ChangeSettings(task, request, arg));
      return int64_t{0};
    case TIOCGWINSZ:
      TRY(task.CopyOutObject(arg, tty_->window()));
      return int64_t{0};
    case TIOCSWINSZ:
      if (tty_->SetWindow(TRY(task.CopyInObject<winsize>(arg)))) {
        SignalForeground(task.kernel(), *tty_, SIGWINCH);
      }
      return int64_t{0};
    case TIOCSPGRP:
      TRY(CheckForeground(task, *tty_, SIGTTOU));
      TRY(SetForegroundGroup(task, *tty_, TRY(task.CopyInObject<int>(arg))));
      return int64_t{0};
    case TIOCGLCKTRMIOS:  // which settings may not change: none, for nobody can lock them here
      TRY((task.CopyOutObject(arg, std::array<uint8_t, sizeof(TtySettings)>{})));
      return int64_t{0};
    case TIOCSLCKTRMIOS:
      return Errno(EPERM);
    case TIOCGETD:
      TRY(task.CopyOutObject<int>(arg, N_TTY));
      return int64_t{0};
    case TIOCSETD:  // there is one line discipline
      return TRY(task.CopyInObject<int>(arg)) == N_TTY ? Result<int64_t>(0) : Errno(EINVAL);
    case TCXONC:
      if (arg > TCION) return Errno(EINVAL);
      if (arg == TCOOFF || arg == TCOON) tty_->SetStopped(arg == TCOOFF);
      return int64_t{0};
    case TCSBRK:
    case TCSBRKP:
    case TIOCEXCL:
    case TIOCNXCL:
      return int64_t{0};  // nothing to break or drain; exclusive use binds root never
    default:
      return Errno(ENOTTY);
  }
}

// --- slave

TtySlaveFile::TtySlaveFile(RefPtr<Tty> tty, const Path& path, int flags) : TtyFile(std::move(tty), path, flags) {
  tty_->OpenSlave();
}

TtySlaveFile::~TtySlaveFile() { tty_->CloseSlave(); }

Result<size_t> TtySlaveFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  TRY(CheckForeground(task, *tty_, SIGTTIN));
  return tty_->Read(dst);
}

Result<size_t> TtySlaveFile::Write(Task& task, IoSource& src, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  if (tty_->settings().lflag & TOSTOP) TRY(CheckForeground(task, *tty_, SIGTTOU));
  if (src.remaining() == 0) return size_t{0};
  return tty_->Write(src);
}

EventMask TtySlaveFile::Readiness(EventMask mask) { return tty_->SlaveReadiness() & (mask | EPOLLERR | EPOLLHUP); }

Result<int64_t> TtySlaveFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  if (tty_->hung_up()) return Errno(EIO);
  int value = 0;
  switch (request) {
    case TIOCSCTTY:
      TRY(SetControllingTerminal(task, *tty_, readable(), arg == 1));
      return int64_t{0};
    case TIOCNOTTY:
      TRY(GiveUpTerminal(task, *tty_));
      return int64_t{0};
    case TCFLSH:
      if (arg > TCIOFLUSH) return Errno(EINVAL);
      TRY(CheckForeground(task, *tty_, SIGTTOU));
      tty_->Flush(arg != TCOFLUSH, arg != TCIFLUSH);
      return int64_t{0};
    case TIOCGPGRP:
      value = TRY(GetForegroundGroup(task, *tty_, false));
      break;
    case TIOCGSID:
      value = TRY(GetTerminalSession(task, *tty_, false));
      break;
    case FIONREAD:
      value = static_cast<int>(tty_->QueuedInput());
      break;
    case TIOCOUTQ:
      value = static_cast<int>(tty_->QueuedOutput());
      break;
    default:
      return CommonIoctl(task, request, arg);
  }
  TRY(task.CopyOutObject(arg, value));
  return int64_t{0};
}

// --- master

TtyMasterFile::~TtyMasterFile() {
  tty_->HangUp();
  RemovePty(*tty_);
  HangUpTerminal(kernel_, *tty_);
}

Result<size_t> TtyMasterFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  if (dst.remaining() == 0) return size_t{0};
  return tty_->TakeOutput(dst);
}

Result<size_t> TtyMasterFile::Write(Task& task, IoSource& src, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  if (src.remaining() == 0) return size_t{0};
  char buffer[1024];
  const size_t room = tty_->InputRoom();
  if (room == 0) return Errno(EAGAIN);
  const size_t size = std::min({sizeof(buffer), room, src.remaining()});
  const size_t n = TRY(src.Read(std::as_writable_bytes(std::span(buffer, size))));
  auto typed = tty_->Input({buffer, n});
  src.Unread(n - (typed.ok() ? typed->taken : 0));
  if (!typed.ok()) return typed.error();
  for (const int signo : typed->signals) SignalForeground(task.kernel(), *tty_, signo);
  return typed->taken;
}

EventMask TtyMasterFile::Readiness(EventMask mask) { return tty_->MasterReadiness() & (mask | EPOLLERR | EPOLLHUP); }

Result<int64_t> TtyMasterFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  int value = 0;
  switch (request) {
    case TIOCGPTN:
      value = tty_->index();
      break;
    case TIOCSPTLCK:
      tty_->locked = TRY(task.CopyInObject<int>(arg)) != 0;
      return int64_t{0};
    case TIOCPKT:
      tty_->SetPacketMode(TRY(task.CopyInObject<int>(arg)) != 0);
      return int64_t{0};
    case TIOCGPKT:
      value = tty_->packet_mode() ? 1 : 0;
      break;
    case TIOCGPTLCK:
      value = tty_->locked ? 1 : 0;
      break;
    case TIOCGPGRP:
      value = TRY(GetForegroundGroup(task, *tty_, true));
      break;
    case TIOCGSID:
      value = TRY(GetTerminalSession(task, *tty_, true));
      break;
    case TCFLSH:
      if (arg > TCIOFLUSH) return Errno(EINVAL);
      tty_->Flush(arg != TCIFLUSH, arg != TCOFLUSH);
      return int64_t{0};
    case FIONREAD:
      value = static_cast<int>(tty_->QueuedOutput());
      break;
    case TIOCOUTQ:
      value = 0;
      break;
    case TIOCGPTPEER:
      return int64_t{TRY(OpenPeer(task, *this, *tty_, static_cast<int>(arg)))};
    default:
      return CommonIoctl(task, request, arg);
  }
  TRY(task.CopyOutObject(arg, value));
  return int64_t{0};
}

}  // namespace runsc
