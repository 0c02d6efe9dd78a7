// A kernel of a few calls on top of Platform: enough to run small static programs in the tests of engines.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "platform/platform.h"

namespace runsc {

class MiniKernel {
 public:
  explicit MiniKernel(Platform& platform) : platform_(platform) {}
  ~MiniKernel();

  struct Outcome {
    int status = -1;  // as wait4 reports it
    std::string output;
  };
  // Runs a static program to its end and that of all its descendants.
  Outcome Run(const std::string& path, const std::vector<std::string>& args);

  // For tests that reach in from outside while Run is going on.
  pid_t HostPid(int tgid);
  void InterruptAll(int tgid);
  uint64_t interrupts() const { return interrupts_; }
  // The instructions that interruptions came before. After Run.
  const std::set<uint64_t>& interrupted_at() const { return interrupted_at_; }

 private:
  struct Process;
  struct Task;
  struct Pipe;
  using Args = const uint64_t*;

  std::shared_ptr<Process> NewProcess(int ppid);
  Result<ThreadStart> Load(Process& process, const std::string& path, const std::vector<std::string>& args);
  void StartTask(std::shared_ptr<Process> process, std::unique_ptr<Context> context, int tid);
  void TaskMain(std::shared_ptr<Task> task);
  void NoteInterrupt(Task& task);
  // False: the task has ended.
  bool Serve(Task& task, const Event& event);
  int64_t Dispatch(Task& task, uint64_t number, Args a, bool* gone);
  std::optional<int64_t> Forwarded(Task& task, uint64_t number, Args a);
  int64_t SetBase(Task& task, uint64_t code, uint64_t base);
  int64_t ChangeMask(Task& task, Args a);
  static Context& ContextOf(Task& task);
  static AddressSpace& MemoryOf(Task& task);
  static ThreadIdentity IdsOf(Task& task);
  int64_t Clone(Task& task, uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid, uint64_t tls);
  int64_t Exec(Task& task, Args a);
  int64_t Wait4(Task& task, Args a);
  int64_t Read(Task& task, Args a);
  int64_t Write(Task& task, Args a);
  int64_t Brk(Task& task, uint64_t addr);
  Pipe* FindPipe(uint64_t fd);
  int64_t KillProcess(int pid);
  int64_t SendSignal(Task& task, int tid, int signal);
  void DeliverSignals(Task& task);
  void SignalReturn(Task& task);
  void EndProcess(Process& process, int status);
  void LeaveProcess(Task& task, int status);
  size_t CopyIn(Task& task, uint64_t addr, void* dst, size_t size);
  bool CopyOut(Task& task, uint64_t addr, const void* src, size_t size);
  std::string ReadString(Task& task, uint64_t addr);
  std::vector<std::string> ReadStrings(Task& task, uint64_t addr);

  Platform& platform_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::map<int, std::shared_ptr<Process>> processes_;
  std::map<int, Task*> tasks_;
  std::vector<std::shared_ptr<Pipe>> pipes_;
  std::vector<std::thread> threads_;
  std::string output_;
  int next_id_ = 1;
  int live_tasks_ = 0;
  std::atomic<uint64_t> interrupts_{0};
  std::set<uint64_t> interrupted_at_;
};

}  // namespace runsc
