// What the tests of ptrace(2) share: tracees, waiting for their stops, and system calls made bare.
#pragma once

#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "tests/guest/harness.h"

namespace guest {

// A child that is traced by us and waits in its SIGSTOP before `body`; its pid.
template <typename Body>
int StartTracee(Body body) {
  const int pid = fork();
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(99);
    raise(SIGSTOP);
    _exit(body());
  }
  int status = 0;
  ASSERT_OK(waitpid(pid, &status, 0));
  ASSERT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  return pid;
}

// A child that runs `body` untraced.
template <typename Body>
int StartChild(Body body) {
  const int pid = fork();
  if (pid == 0) _exit(body());
  return pid;
}

inline int WaitFor(int pid) {
  int status = -1;
  ASSERT_OK(waitpid(pid, &status, __WALL));
  return status;
}

inline bool StoppedBy(int status, int signo) { return WIFSTOPPED(status) && status >> 8 == signo; }
inline bool StoppedAt(int status, int event) { return WIFSTOPPED(status) && status >> 8 == (SIGTRAP | event << 8); }
inline bool Exited(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
inline bool KilledBy(int status, int signo) { return WIFSIGNALED(status) && WTERMSIG(status) == signo; }

// Resumes and waits for what comes next.
inline int Resume(__ptrace_request request, int pid, long signo = 0) {
  ASSERT_OK(ptrace(request, pid, 0, signo));
  return WaitFor(pid);
}

inline void KillAndReap(int pid) {
  kill(pid, SIGKILL);
  for (int status; waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);) {
  }
}

inline user_regs_struct Regs(int pid) {
  user_regs_struct regs{};
  ASSERT_OK(ptrace(PTRACE_GETREGS, pid, 0, &regs));
  return regs;
}

inline int SleepForever() {
  for (;;) pause();
}

inline int TracerOf(int pid) {
  const std::string text = ReadAll(("/proc/" + std::to_string(pid) + "/status").c_str());
  const size_t at = text.find("TracerPid:\t");
  return at == std::string::npos ? -1 : atoi(text.c_str() + at + 11);
}

}  // namespace guest
