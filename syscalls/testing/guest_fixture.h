// A whole sentry over a fake engine and a tmpfs: the test is the guest, call by call.
#pragma once

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <string>

#include "sentry/fs/tmpfs.h"
#include "sentry/kernel/fd_table.h"
#include "sentry/kernel/outside_process.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/testing/fake_platform.h"
#include "syscalls/table.h"

namespace runsc {

class GuestTest : public testing::Test {
 protected:
  // Readable and writable memory of the program.
  static constexpr GuestAddr kMemory = 0x400000, kMemorySize = 0x100000;
  static constexpr GuestAddr kBuffer = kMemory + 0x1000;
  static constexpr GuestAddr kBad = 0x200000;               // nothing is there
  static constexpr GuestAddr kEnd = kMemory + kMemorySize;  // nothing from here on

  void SetUp() override {
    ASSERT_TRUE(vfs_->MountRoot(NewTmpfs(store_, {.mode = 0755, .size = 1 << 24}), 0, "test").ok());
    Kernel::Options options;
    options.platform = &platform_;
    options.syscalls = &GetSyscallTable();
    options.vfs = vfs_;
    options.backing = &store_;
    kernel_ = std::make_unique<Kernel>(std::move(options));
    InitProcess init;
    init.args = {"/init"};
    auto creds = MakeRef<Credentials>();
    creds->permitted = creds->effective = kAllCapabilities;
    init.creds = std::move(creds);
    init.fds = MakeRef<FdTable>();
    auto process = OutsideProcess::New(*kernel_, init, {.root = vfs_->root()});
    ASSERT_TRUE(process.ok());
    absl::Status started = WriteProgram((*process)->task());
    if (started.ok()) started = (*process)->Exec(init);
    if (started.ok()) started = (*process)->Start(nullptr);
    ASSERT_TRUE(started.ok()) << started.message();
    guest_ = platform_.thread(1);
  }
  void TearDown() override { kernel_.reset(); }

  template <typename... Args>
  int64_t Call(uint64_t number, Args... args) {
    return CallIn(*guest_, number, args...);
  }
  template <typename... Args>
  static int64_t CallIn(FakeThread& thread, uint64_t number, Args... args) {
    return thread.Call(number, {static_cast<uint64_t>(args)...}).value_or(-ESRCH);
  }
  std::shared_ptr<FakeThread> thread(int64_t tid) { return platform_.thread(static_cast<int32_t>(tid)); }

  AddressSpace& memory(int tid = 1) { return kernel_->FindTask(tid)->MmSnapshot()->address_space(); }
  template <typename T>
  void Put(GuestAddr addr, const T& value, int tid = 1) {
    EXPECT_EQ(memory(tid).CopyOut(addr, &value, sizeof(value)), sizeof(value));
  }
  template <typename T>
  T Get(GuestAddr addr, int tid = 1) {
    T value{};
    EXPECT_EQ(memory(tid).CopyIn(addr, &value, sizeof(value)), sizeof(value));
    return value;
  }
  GuestAddr PutString(const std::string& text, GuestAddr addr = kBuffer) {
    EXPECT_EQ(memory().CopyOut(addr, text.c_str(), text.size() + 1), text.size() + 1);
    return addr;
  }
  size_t OpenFds() { return kernel_->FindTask(1)->FdsSnapshot()->OpenFds().size(); }

  MemfdStore store_;
  RefPtr<Vfs> vfs_ = MakeRef<Vfs>();
  FakePlatform platform_;
  std::unique_ptr<Kernel> kernel_;
  std::shared_ptr<FakeThread> guest_;

 private:
  // The least program there can be: one segment of zeros.
  static std::string Program() {
    struct {
      Elf64_Ehdr header{};
      Elf64_Phdr load{};
    } image;
    std::memcpy(image.header.e_ident, ELFMAG "\2\1\1", 7);
    image.header.e_type = ET_EXEC;
    image.header.e_machine = EM_X86_64;
    image.header.e_entry = kMemory;
    image.header.e_phoff = sizeof(Elf64_Ehdr);
    image.header.e_phentsize = sizeof(Elf64_Phdr);
    image.header.e_phnum = 1;
    image.load = {PT_LOAD, PF_R | PF_W, 0, kMemory, kMemory, sizeof(image), kMemorySize, 4096};
    return std::string(reinterpret_cast<const char*>(&image), sizeof(image));
  }
  static absl::Status WriteProgram(Task& task) {
    OpenHow how;
    how.flags = O_CREAT | O_WRONLY;
    how.mode = 0755;
    auto file = task.vfs().Open(task.resolver(), task.fs().cwd(), "/init", how);
    const std::string program = Program();
    BufferSource source(std::as_bytes(std::span(program)));
    const bool written = file.ok() && (*file)->Write(task, source, nullptr).ok();
    return written ? absl::OkStatus() : absl::InternalError("cannot write /init");
  }
};

}  // namespace runsc
