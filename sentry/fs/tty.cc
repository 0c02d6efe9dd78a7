// The line discipline: input editing, echo, output processing.
#include "sentry/fs/tty.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <csignal>

#include "sentry/fs/memory_attr.h"
#include "sentry/kernel/kernel.h"

namespace runsc {
namespace {

constexpr unsigned kPtsMajor = 136;
constexpr size_t kTabStop = 8;
constexpr EventMask kIn = EPOLLIN | EPOLLRDNORM;
constexpr EventMask kOut = EPOLLOUT | EPOLLWRNORM;

bool IsControl(uint8_t c) { return c < 32 || c == 127; }
bool IsUtf8Continuation(uint8_t c) { return (c & 0xc0) == 0x80; }
bool IsWordChar(uint8_t c) { return c >= 128 || c == '_' || isalnum(c); }

}  // namespace

Tty::Tty(TimerQueue& timers, RefPtr<FileSystem> devpts, int index, uid_t owner, gid_t group)
    : uid(owner),
      gid(group),
      made_at(RealtimeNow()),
      devpts_(std::move(devpts)),
      index_(index),
      read_timer_(timers, [this] {
        {
          MutexLock l(mu_);
          timed_out_ = true;
        }
        slave_queue_.Notify(kIn);
      }) {
  rdev = makedev(kPtsMajor, static_cast<unsigned>(index));
}

// --- output towards the master

void Tty::Put(uint8_t c) {
  if (output_.size() < kOutputMax) output_.push_back(static_cast<char>(c));
}

void Tty::PutProcessed(uint8_t c) {
  const uint32_t o = settings_.oflag;
  if (!(o & OPOST)) return Put(c);
  if (c == '\n') {
    if (o & ONLCR) Put('\r');
    if (o & (ONLCR | ONLRET)) column_ = 0;
  } else if (c == '\r') {
    if ((o & ONOCR) && column_ == 0) return;
    if (o & OCRNL) return Put('\n');
    column_ = 0;
  } else if (c == '\t') {
    const size_t spaces = kTabStop - column_ % kTabStop;
    column_ += spaces;
    if ((o & TABDLY) == XTABS) {
      for (size_t i = 0; i < spaces; ++i) Put(' ');
      return;
    }
  } else if (c == '\b') {
    if (column_ > 0) --column_;
  } else if (!IsControl(c) && !IsUtf8Continuation(c)) {
    ++column_;
    if (o & OLCUC) c = static_cast<uint8_t>(toupper(c));
  }
  Put(c);
}

Result<size_t> Tty::Write(IoSource& src) {
  char buffer[1024];
  size_t done = 0;
  while (src.remaining() > 0) {
    {
      MutexLock l(mu_);
      if (hung_up_) return Errno(EIO);
      // A byte may become two, a tab eight.
      if (stopped_ || output_.size() + kTabStop * sizeof(buffer) > kOutputMax) break;
    }
    const auto n = src.Read(std::as_writable_bytes(std::span(buffer, std::min(sizeof(buffer), src.remaining()))));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    MutexLock l(mu_);
    for (size_t i = 0; i < *n; ++i) PutProcessed(static_cast<uint8_t>(buffer[i]));
    done += *n;
    if (*n == 0) break;
  }
  if (done == 0) return Errno(EAGAIN);
  master_queue_.Notify(kIn);
  return done;
}

// In packet mode with the byte that says what it is; a status alone, before any data.
Result<std::string> Tty::TakePacketLocked(size_t size) {
  if (size == 0) return std::string();
  if (packet_status_ != 0) return std::string(1, static_cast<char>(std::exchange(packet_status_, 0)));
  if (ShownLocked() == 0) return slaves_closed_ ? Errno(EIO) : Errno(EAGAIN);
  std::string taken(packets_ ? 1 : 0, TIOCPKT_DATA);
  const size_t n = std::min(size - taken.size(), ShownLocked());
  taken += output_.substr(0, n);
  output_.erase(0, n);
  if (stopped_) before_stop_ -= n;
  return taken;
}

Result<size_t> Tty::TakeOutput(IoSink& dst) {
  std::string taken;
  {
    MutexLock l(mu_);
    taken = TRY(TakePacketLocked(dst.remaining()));
  }
  slave_queue_.Notify(kOut);
  return dst.Write(std::as_bytes(std::span(taken)));
}

// --- echo and editing

void Tty::Echo(uint8_t c) {
  if (!(settings_.lflag & ECHO)) {
    if (c == '\n' && (settings_.lflag & ECHONL) && settings_.canonical()) PutProcessed(c);
    return;
  }
  if (IsControl(c) && c != '\n' && c != '\t' && (settings_.lflag & ECHOCTL)) {
    PutProcessed('^');
    PutProcessed(c ^ 0100);
    return;
  }
  PutProcessed(c);
}

// Takes the last character of the line, all bytes of it, off the screen too.
void Tty::EraseChar() {
  if (line_.empty()) return;
  uint8_t c = static_cast<uint8_t>(line_.back());
  line_.pop_back();
  while ((settings_.iflag & IUTF8) && IsUtf8Continuation(c) && !line_.empty()) {
    c = static_cast<uint8_t>(line_.back());
    line_.pop_back();
  }
  if (!(settings_.lflag & ECHO)) return;
  if (!(settings_.lflag & ECHOE)) return Echo(settings_.cc[VERASE]);
  const int columns = IsControl(c) && c != '\t' && (settings_.lflag & ECHOCTL) ? 2 : 1;
  for (int i = 0; i < columns; ++i) {
    for (const char out : {'\b', ' ', '\b'}) PutProcessed(static_cast<uint8_t>(out));
  }
}

void Tty::EraseWord() {
  while (!line_.empty() && !IsWordChar(static_cast<uint8_t>(line_.back()))) EraseChar();
  while (!line_.empty() && IsWordChar(static_cast<uint8_t>(line_.back()))) EraseChar();
}

void Tty::EraseLine() {
  constexpr uint32_t kVisual = ECHOK | ECHOKE | ECHOE;
  if ((settings_.lflag & kVisual) == kVisual) {
    while (!line_.empty()) EraseChar();
    return;
  }
  line_.clear();
  Echo(settings_.cc[VKILL]);
  if ((settings_.lflag & ECHO) && (settings_.lflag & ECHOK)) PutProcessed('\n');
}

// True if `c` edited the line instead of becoming part of it.
bool Tty::EditLine(uint8_t c) {
  const TtySettings& s = settings_;
  const bool extended = s.lflag & IEXTEN;
  if (s.Is(VERASE, c)) {
    EraseChar();
  } else if (s.Is(VKILL, c)) {
    EraseLine();
  } else if (extended && s.Is(VWERASE, c)) {
    EraseWord();
  } else if (extended && s.Is(VREPRINT, c)) {
    Echo(c);
    PutProcessed('\n');
    for (const char old : line_) Echo(static_cast<uint8_t>(old));
  } else if (extended && s.Is(VLNEXT, c)) {
    literal_next_ = true;
    if ((s.lflag & ECHO) && (s.lflag & ECHOCTL)) {
      for (const char out : {'^', '\b'}) PutProcessed(static_cast<uint8_t>(out));
    }
  } else {
    return false;
  }
  return true;
}

void Tty::FinishLine() {
  lines_.push_back(line_.size());
  input_ += line_;
  line_.clear();
}

bool Tty::EndsLine(uint8_t c) const {
  return c == '\n' || settings_.Is(VEOL, c) || ((settings_.lflag & IEXTEN) && settings_.Is(VEOL2, c));
}

void Tty::InputCanonical(uint8_t c) {
  if (!literal_next_) {
    if (EditLine(c)) return;
    if (settings_.Is(VEOF, c)) return FinishLine();
  }
  const bool ends = !literal_next_ && EndsLine(c);
  literal_next_ = false;
  // Of a line that is too long only its end is kept, as on Linux.
  if (line_.size() + 1 >= kInputMax && !ends) {
    if (settings_.iflag & IMAXBEL) PutProcessed('\a');
    return;
  }
  Echo(c);
  line_.push_back(static_cast<char>(c));
  if (ends) FinishLine();
}

bool Tty::HandleFlow(uint8_t c) {
  if (!(settings_.iflag & IXON)) return false;
  if (settings_.Is(VSTOP, c) && !(stopped_ && settings_.cc[VSTOP] == settings_.cc[VSTART])) {
    StopLocked(true);
    return true;
  }
  if (settings_.Is(VSTART, c)) {
    StopLocked(false);
    return true;
  }
  if (settings_.iflag & IXANY) StopLocked(false);
  return false;
}

int Tty::SignalOf(uint8_t c) const {
  if (!(settings_.lflag & ISIG)) return 0;
  if (settings_.Is(VINTR, c)) return SIGINT;
  if (settings_.Is(VQUIT, c)) return SIGQUIT;
  return settings_.Is(VSUSP, c) ? SIGTSTP : 0;
}

void Tty::InputChar(uint8_t c, std::vector<int>* signals) {
  if (settings_.iflag & ISTRIP) c &= 0x7f;
  if (!literal_next_) {
    if (HandleFlow(c)) return;
    if (const int signo = SignalOf(c)) {
      if (!(settings_.lflag & NOFLSH)) FlushLocked(true, true);
      Echo(c);
      signals->push_back(signo);
      return;
    }
    if (c == '\r') {
      if (settings_.iflag & IGNCR) return;
      if (settings_.iflag & ICRNL) c = '\n';
    } else if (c == '\n' && (settings_.iflag & INLCR)) {
      c = '\r';
    }
  }
  if (settings_.canonical()) return InputCanonical(c);
  Echo(c);
  input_.push_back(static_cast<char>(c));
}

size_t Tty::RoomLocked() const {
  // An end of file is a line without a byte, and takes room as well.
  const size_t used = settings_.canonical() ? std::max(input_.size(), lines_.size()) : input_.size() + line_.size();
  return used < kInputMax ? kInputMax - used : 0;
}

size_t Tty::InputRoom() const {
  MutexLock l(mu_);
  return RoomLocked();
}

Result<Tty::Typed> Tty::Input(std::string_view bytes) {
  Typed typed;
  {
    MutexLock l(mu_);
    if (slaves_closed_) return Errno(EIO);
    while (typed.taken < bytes.size() && RoomLocked() > 0) {
      InputChar(static_cast<uint8_t>(bytes[typed.taken++]), &typed.signals);
    }
    if (typed.taken == 0) return Errno(EAGAIN);
  }
  slave_queue_.Notify(kIn | kOut);
  master_queue_.Notify(kIn | EPOLLPRI);  // echo, a packet's status
  return typed;
}

// --- reading

bool Tty::ReadableLocked() const {
  if (settings_.canonical()) return !lines_.empty();
  const size_t least = settings_.cc[VTIME] != 0 ? 1 : std::max<size_t>(settings_.cc[VMIN], 1);
  return input_.size() >= least;
}

// What one read(2) takes. EAGAIN, with *timeout set if waiting is limited by VTIME.
Result<std::string> Tty::TakeInput(size_t size, Deadline* timeout) {
  MutexLock l(mu_);
  if (settings_.canonical()) {
    if (lines_.empty()) return hung_up_ ? Result<std::string>(std::string()) : Errno(EAGAIN);
    const size_t n = std::min(size, lines_.front());
    if ((lines_.front() -= n) == 0) lines_.pop_front();
    std::string taken = input_.substr(0, n);
    input_.erase(0, n);
    return taken;
  }
  const size_t min = settings_.cc[VMIN];
  const bool enough = input_.size() >= std::max<size_t>(std::min(min, size), 1);
  const bool timed = settings_.cc[VTIME] != 0 && (min == 0 || !input_.empty());
  const bool give_up = hung_up_ || timed_out_ || (min == 0 && settings_.cc[VTIME] == 0);
  if (!enough && !give_up) {
    if (timed) *timeout = settings_.cc[VTIME] * (kNsPerSecond / 10);
    return Errno(EAGAIN);
  }
  timed_out_ = false;
  std::string taken = input_.substr(0, size);
  input_.erase(0, taken.size());
  return taken;
}

Result<size_t> Tty::Read(IoSink& dst) {
  if (dst.remaining() == 0) return size_t{0};
  Deadline timeout = 0;
  auto taken = TakeInput(dst.remaining(), &timeout);
  if (!taken.ok()) {
    if (timeout != 0 && read_timer_.setting().next == kNever) {
      read_timer_.Set(DeadlineAfter(Kernel::MonotonicNs(), timeout), 0);
    }
    return taken.error();
  }
  read_timer_.Cancel();
  master_queue_.Notify(kOut);
  if (taken->empty()) return size_t{0};
  return dst.Write(std::as_bytes(std::span(*taken)));
}

// --- state

EventMask Tty::MasterReadiness() const {
  MutexLock l(mu_);
  EventMask ready = 0;
  if (ShownLocked() > 0) ready |= kIn;
  if (packet_status_ != 0) ready |= kIn | EPOLLPRI;
  if (slaves_closed_) ready |= EPOLLHUP;
  if (RoomLocked() > 0) ready |= kOut;
  return ready;
}

EventMask Tty::SlaveReadiness() const {
  MutexLock l(mu_);
  if (hung_up_) return kIn | kOut | EPOLLERR | EPOLLHUP;
  EventMask ready = 0;
  if (ReadableLocked()) ready |= kIn;
  if (!stopped_ && output_.size() + kTabStop * 1024 <= kOutputMax) ready |= kOut;
  return ready;
}

TtySettings Tty::settings() const {
  MutexLock l(mu_);
  return settings_;
}

void Tty::SetSettings(const TtySettings& settings, bool flush_input) {
  {
    MutexLock l(mu_);
    if (flush_input) FlushLocked(true, false);
    // What was typed so far is readable at once when lines no longer matter, and one line when they do.
    if (settings_.canonical() != settings.canonical()) {
      input_ += line_;
      line_.clear();
      lines_.clear();
      if (settings.canonical() && !input_.empty()) lines_.push_back(input_.size());
    }
    const TtySettings old = std::exchange(settings_, settings);
    ReportSettingsLocked(old);
    if (!(settings_.iflag & IXON)) StopLocked(false);
  }
  slave_queue_.Notify(kIn | kOut);
  master_queue_.Notify(kIn | EPOLLPRI);
}

winsize Tty::window() const {
  MutexLock l(mu_);
  return window_;
}

bool Tty::SetWindow(const winsize& window) {
  MutexLock l(mu_);
  const bool changed = window_.ws_row != window.ws_row || window_.ws_col != window.ws_col ||
                       window_.ws_xpixel != window.ws_xpixel || window_.ws_ypixel != window.ws_ypixel;
  window_ = window;
  return changed;
}

void Tty::FlushLocked(bool input, bool output) {
  if (input) {
    line_.clear();
    input_.clear();
    lines_.clear();
    ReportLocked(TIOCPKT_FLUSHREAD);
  }
  if (output) {
    output_.clear();
    before_stop_ = 0;
    ReportLocked(TIOCPKT_FLUSHWRITE);
  }
}

void Tty::StopLocked(bool stopped) {
  if (stopped_ == stopped) return;
  stopped_ = stopped;
  before_stop_ = output_.size();
  ReportLocked(stopped ? TIOCPKT_STOP : TIOCPKT_START, stopped ? TIOCPKT_START : TIOCPKT_STOP);
}

void Tty::ReportLocked(uint8_t set, uint8_t clear) {
  if (packets_) packet_status_ = static_cast<uint8_t>((packet_status_ & ~clear) | set);
}

void Tty::ReportSettingsLocked(const TtySettings& old) {
  if (old.usual_flow() != settings_.usual_flow()) {
    const bool now = settings_.usual_flow();
    ReportLocked(now ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP, now ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
  }
  if ((old.lflag | settings_.lflag) & EXTPROC) ReportLocked(TIOCPKT_IOCTL);
}

void Tty::SetPacketMode(bool on) {
  MutexLock l(mu_);
  if (on != packets_) packet_status_ = 0;
  packets_ = on;
}

bool Tty::packet_mode() const {
  MutexLock l(mu_);
  return packets_;
}

void Tty::Flush(bool input, bool output) {
  {
    MutexLock l(mu_);
    FlushLocked(input, output);
  }
  master_queue_.Notify(kOut | kIn | EPOLLPRI);
  if (output) slave_queue_.Notify(kOut);
}

void Tty::SetStopped(bool stopped) {
  {
    MutexLock l(mu_);
    StopLocked(stopped);
  }
  slave_queue_.Notify(kOut);
  master_queue_.Notify(kIn | EPOLLPRI);
}

size_t Tty::QueuedInput() const {
  MutexLock l(mu_);
  if (!settings_.canonical()) return input_.size();
  return lines_.empty() ? 0 : input_.size();
}

size_t Tty::QueuedOutput() const {
  MutexLock l(mu_);
  return output_.size();
}

void Tty::OpenSlave() {
  MutexLock l(mu_);
  ++slaves_;
  slaves_closed_ = false;
}

void Tty::CloseSlave() {
  {
    MutexLock l(mu_);
    if (--slaves_ > 0) return;
    slaves_closed_ = true;
  }
  master_queue_.Notify(kIn | kOut | EPOLLHUP);
}

void Tty::HangUp() {
  {
    MutexLock l(mu_);
    hung_up_ = true;
  }
  slave_queue_.Notify(kIn | kOut | EPOLLERR | EPOLLHUP);
}

bool Tty::hung_up() const {
  MutexLock l(mu_);
  return hung_up_;
}

}  // namespace runsc
