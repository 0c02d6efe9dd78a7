// A pseudo-terminal: the N_TTY line discipline between a master and its slaves (termios(3), pty(7)).
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "platform/base/mutex.h"
#include "sentry/fs/tty_settings.h"
#include "sentry/kernel/terminal.h"
#include "sentry/kernel/timers.h"
#include "sentry/vfs/credentials.h"
#include "sentry/vfs/inode.h"
#include "sentry/vfs/io.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

// References: its descriptions, the table of devpts, processes it controls. Session and foreground group
// are the base class', under the task set lock; signals that input asks for are returned to the caller, who
// sends them without the terminal's lock.
class Tty : public Terminal {
 public:
  // `devpts`: the instance it is a terminal of, kept while it lives.
  Tty(TimerQueue& timers, RefPtr<FileSystem> devpts, int index, uid_t owner, gid_t group);
  int index() const { return index_; }
  FileSystem& devpts() const { return *devpts_; }

  // The signals (SIGINT, SIGQUIT, SIGTSTP) typed since, for the foreground group.
  struct Typed {
    size_t taken = 0;
    std::vector<int> signals;
  };
  // Master side. EAGAIN: no room, or nothing there. EIO: every slave is closed.
  Result<Typed> Input(std::string_view bytes);
  Result<size_t> TakeOutput(IoSink& dst);
  // TIOCPKT (tty_ioctl(2)): every read of the master begins with a byte, of a status alone or of data.
  void SetPacketMode(bool on);
  bool packet_mode() const;
  size_t InputRoom() const;

  // Slave side. EAGAIN. EIO after hang-up (reading gives end of file).
  Result<size_t> Read(IoSink& dst);
  Result<size_t> Write(IoSource& src);

  EventMask MasterReadiness() const;
  EventMask SlaveReadiness() const;
  WaitQueue& master_queue() { return master_queue_; }
  WaitQueue& slave_queue() { return slave_queue_; }

  TtySettings settings() const;
  void SetSettings(const TtySettings& settings, bool flush_input);
  winsize window() const;
  bool SetWindow(const winsize& window);  // true if it changed
  void Flush(bool input, bool output);
  void SetStopped(bool stopped);  // TCXONC, IXON
  size_t QueuedInput() const;     // FIONREAD on the slave
  size_t QueuedOutput() const;

  void OpenSlave();
  void CloseSlave();
  void HangUp();  // the master closed
  bool hung_up() const;
  std::atomic<bool> locked{true};  // TIOCSPTLCK

  // Of the node in devpts.
  std::atomic<uint32_t> mode{0620};
  std::atomic<uid_t> uid;
  std::atomic<gid_t> gid;
  const timespec made_at;

 private:
  static constexpr size_t kInputMax = 4096;
  static constexpr size_t kOutputMax = 65536;
  void InputChar(uint8_t c, std::vector<int>* signals) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HandleFlow(uint8_t c) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int SignalOf(uint8_t c) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool EditLine(uint8_t c) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool EndsLine(uint8_t c) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void InputCanonical(uint8_t c) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Echo(uint8_t c) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EraseChar() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EraseWord() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EraseLine() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishLine() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Put(uint8_t c) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PutProcessed(uint8_t c) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What of the output its reader may have: all, or what came before it was stopped.
  size_t ShownLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopped_ ? before_stop_ : output_.size(); }
  void StopLocked(bool stopped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReportLocked(uint8_t set, uint8_t clear = 0) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReportSettingsLocked(const TtySettings& old) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<std::string> TakePacketLocked(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FlushLocked(bool input, bool output) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool ReadableLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<std::string> TakeInput(size_t size, Deadline* timeout);
  size_t RoomLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const RefPtr<FileSystem> devpts_;
  const int index_;
  mutable Mutex mu_{LockRank::kTty};
  TtySettings settings_ ABSL_GUARDED_BY(mu_);
  winsize window_ ABSL_GUARDED_BY(mu_) = {};
  std::string line_ ABSL_GUARDED_BY(mu_);          // being edited
  std::string input_ ABSL_GUARDED_BY(mu_);         // may be read
  std::deque<size_t> lines_ ABSL_GUARDED_BY(mu_);  // lengths of the lines in input_; 0: end of file
  std::string output_ ABSL_GUARDED_BY(mu_);        // for the master
  size_t column_ ABSL_GUARDED_BY(mu_) = 0;
  bool literal_next_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  size_t before_stop_ ABSL_GUARDED_BY(mu_) = 0;  // of output_
  bool timed_out_ ABSL_GUARDED_BY(mu_) = false;  // VTIME passed without input
  int slaves_ ABSL_GUARDED_BY(mu_) = 0;
  bool slaves_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool packets_ ABSL_GUARDED_BY(mu_) = false;
  uint8_t packet_status_ ABSL_GUARDED_BY(mu_) = 0;  // TIOCPKT_*, since the master last read it
  bool hung_up_ ABSL_GUARDED_BY(mu_) = false;
  WaitQueue master_queue_, slave_queue_;
  Timer read_timer_;
};

}  // namespace runsc
