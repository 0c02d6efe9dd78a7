// Job control: which session a terminal controls and which process group may use it (tty(4), credentials(7)).
#pragma once

#include "sentry/fs/tty.h"
#include "sentry/kernel/task.h"

namespace runsc {

// May the caller, if in the background, do what `signo` (SIGTTIN, SIGTTOU) stands for? Else its group gets
// the signal (kRestartSys), or EIO if that would stop it for ever.
Result<void> CheckForeground(Task& task, Tty& tty, int signo);

// On open for reading: a session leader without a terminal gets this one, unless it has a session already.
void AcquireTerminalOnOpen(Task& task, Tty& tty);

// TIOCSCTTY. Who may not read it may not make it his own.
Result<void> SetControllingTerminal(Task& task, Tty& tty, bool readable, bool steal);
Result<void> GiveUpTerminal(Task& task, Tty& tty);                       // TIOCNOTTY
Result<int> GetForegroundGroup(Task& task, Tty& tty, bool any_session);  // TIOCGPGRP
Result<void> SetForegroundGroup(Task& task, Tty& tty, int pgid);         // TIOCSPGRP
Result<int> GetTerminalSession(Task& task, Tty& tty, bool any_session);  // TIOCGSID

void SignalForeground(Kernel& kernel, Tty& tty, int signo);
// The master is gone: SIGHUP and SIGCONT to the session leader and the foreground group.
void HangUpTerminal(Kernel& kernel, Tty& tty);

// The caller's controlling terminal, or null.
RefPtr<Terminal> ControllingTerminal(Task& task);

}  // namespace runsc
