// See the header of the class under test.
#include "sentry/fs/tty.h"

#include <gtest/gtest.h>

#include <csignal>

namespace runsc {
namespace {

class TtyTest : public testing::Test {
 protected:
  TtyTest() { tty_->OpenSlave(); }

  std::vector<int> Type(std::string_view text) { return tty_->Input(text)->signals; }
  Result<std::string> Drain(Result<size_t> (Tty::*read)(IoSink&), size_t size = 1000) {
    std::string data(size, '\0');
    BufferSink sink(std::as_writable_bytes(std::span(data)));
    data.resize(TRY((*tty_.*read)(sink)));
    return data;
  }
  Result<std::string> Read(size_t size = 1000) { return Drain(&Tty::Read, size); }
  Result<std::string> Screen() { return Drain(&Tty::TakeOutput); }

  TimerQueue timers_;
  RefPtr<Tty> tty_ = MakeRef<Tty>(timers_, nullptr, 0, 0, 5);
};

TEST_F(TtyTest, LinesAreEditedAndEchoed) {
  Type("lx");
  EXPECT_EQ(Read().error(), Errno(EAGAIN));
  Type("\x7fs -l\r");
  EXPECT_EQ(*Read(), "ls -l\n");
  EXPECT_EQ(*Screen(), "lx\b \bs -l\r\n");
}

TEST_F(TtyTest, KillAndWordErase) {
  Type("one two\x17three\n");
  EXPECT_EQ(*Read(), "one three\n");
  Type("gone\x15kept\n");
  EXPECT_EQ(*Read(), "kept\n");
}

TEST_F(TtyTest, OneReadTakesOneLine) {
  Type("a\nbc\n");
  EXPECT_EQ(*Read(), "a\n");
  EXPECT_EQ(*Read(1), "b");
  EXPECT_EQ(*Read(), "c\n");
}

TEST_F(TtyTest, EndOfFileEndsWithoutANewline) {
  Type("ab\x04\x04");
  EXPECT_EQ(*Read(), "ab");
  EXPECT_EQ(*Read(), "");
}

TEST_F(TtyTest, EndsOfFileTakeRoom) {
  const std::string ends(100000, '\x04');
  const size_t taken = tty_->Input(ends)->taken;
  EXPECT_LT(taken, 10000u);
  EXPECT_EQ(tty_->Input(ends).error(), Errno(EAGAIN));
  EXPECT_EQ(*Read(), "");
  EXPECT_EQ(tty_->Input(ends)->taken, 1u);
}

TEST_F(TtyTest, SignalCharactersFlush) {
  EXPECT_EQ(Type("half\x03"), std::vector<int>{SIGINT});
  EXPECT_EQ(*Screen(), "^C");
  EXPECT_EQ(Type("\x1c\x1a"), (std::vector<int>{SIGQUIT, SIGTSTP}));
  EXPECT_EQ(Read().error(), Errno(EAGAIN));
}

TEST_F(TtyTest, RawModePassesEverythingAtOnce) {
  TtySettings raw = tty_->settings();
  raw.lflag = 0;
  raw.iflag = 0;
  raw.oflag = 0;
  tty_->SetSettings(raw, false);
  EXPECT_TRUE(Type("\x03\r").empty());
  EXPECT_EQ(*Read(), "\x03\r");
  EXPECT_EQ(Screen().error(), Errno(EAGAIN));
}

TEST_F(TtyTest, OutputIsProcessed) {
  const std::string text = "a\nb";
  BufferSource src(std::as_bytes(std::span(text)));
  EXPECT_EQ(*tty_->Write(src), 3u);
  EXPECT_EQ(*Screen(), "a\r\nb");
}

TEST_F(TtyTest, ClosingEitherEndShows) {
  tty_->CloseSlave();
  EXPECT_EQ(Screen().error(), Errno(EIO));
  EXPECT_TRUE(tty_->MasterReadiness() & EPOLLHUP);
  tty_->HangUp();
  EXPECT_EQ(*Read(), "");
}

TEST_F(TtyTest, InputIsBounded) {
  const std::string lots(10000, 'x');
  for (int i = 0; i < 10; ++i) (void)tty_->Input(lots);
  Type("\n");
  EXPECT_LE(Read(100000)->size(), 4096u);
}

}  // namespace
}  // namespace runsc
