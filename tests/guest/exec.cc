// execve: arguments, environment, what survives, scripts, bad images.

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

extern char** environ;

namespace {

void Write(const char* path, const std::string& data, mode_t mode = 0755) {
  const int fd = ASSERT_OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
  EXPECT_EQ(write(fd, data.data(), data.size()), (ssize_t)data.size());
  close(fd);
  chmod(path, mode);
}

// The exit status of a helper run by exec, or 200 + errno when exec itself fails.
int Exec(const char* path, std::vector<std::string> args, std::vector<std::string> env = {}) {
  const int status = RunInChild([&] {
    std::vector<char*> argv, envp;
    for (std::string& arg : args) argv.push_back(arg.data());
    for (std::string& variable : env) envp.push_back(variable.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    execve(path, argv.data(), envp.data());
    return 200 + (errno < 55 ? errno : 55);
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

int Helper(std::vector<std::string> args, std::vector<std::string> env = {}) {
  args.insert(args.begin(), {"self", "--helper"});
  return Exec(SelfPath(), args, env);
}

}  // namespace

HELPER(CheckArguments) {
  return argc == 4 && strcmp(argv[1], "") == 0 && strcmp(argv[2], "two words") == 0 && strcmp(argv[3], "\xff\n") == 0 &&
                 environ[0] != nullptr && strcmp(environ[0], "A=1") == 0 && strcmp(environ[1], "B") == 0 &&
                 environ[2] == nullptr
             ? 0
             : 1;
}

TEST(ArgumentsAndEnvironment) { EXPECT_EQ(Helper({"CheckArguments", "", "two words", "\xff\n"}, {"A=1", "B"}), 0); }

HELPER(CountArguments) { return argc == 1001 && strlen(argv[500]) == 1000 ? 0 : 1; }

TEST(ManyArguments) {
  std::vector<std::string> args(1001, std::string(1000, 'a'));
  args[0] = "CountArguments";
  EXPECT_EQ(Helper(args), 0);
}

TEST(ArgumentsTooLong) {
  EXPECT_EQ(Helper({"X", std::string(131072, 'a')}), 200 + E2BIG);
  std::vector<std::string> args(30, std::string(100000, 'a'));
  EXPECT_EQ(Helper(args), 200 + E2BIG);
}

HELPER(CheckDescriptors) { return fcntl(atoi(argv[1]), F_GETFD) == 0 && fcntl(atoi(argv[2]), F_GETFD) == -1 ? 0 : 1; }

TEST(CloseOnExec) {
  const int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(Helper({"CheckDescriptors", std::to_string(kept), std::to_string(closed)}), 0);
}

HELPER(CheckAuxv) {
  const bool right = getauxval(AT_PAGESZ) == 4096 && getauxval(AT_ENTRY) != 0 && getauxval(AT_PHDR) != 0 &&
                     getauxval(AT_PHNUM) > 0 && getauxval(AT_UID) == getuid() && getauxval(AT_RANDOM) != 0 &&
                     getauxval(AT_SECURE) == 0 && getauxval(AT_EXECFN) != 0 && getauxval(AT_CLKTCK) == 100 &&
                     getauxval(AT_SYSINFO_EHDR) != 0 && strcmp((char*)getauxval(AT_PLATFORM), "x86_64") == 0;
  return right ? 0 : 1;
}

TEST(AuxiliaryVector) { EXPECT_EQ(Helper({"CheckAuxv"}), 0); }

HELPER(PrintAddresses) {
  int local;
  printf("%p %p %p\n", (void*)&local, (void*)malloc(1 << 20), (void*)getauxval(AT_SYSINFO_EHDR));
  return 0;
}

TEST(AddressesAreRandom) {
  std::string first;
  bool differ = false;
  for (int i = 0; i < 4; i++) {
    int fds[2];
    ASSERT_OK(pipe(fds));
    RunInChild([&] {
      dup2(fds[1], 1);
      return execl(SelfPath(), "self", "--helper", "PrintAddresses", nullptr);
    });
    char buffer[200] = {};
    EXPECT(read(fds[0], buffer, sizeof(buffer) - 1) > 0);
    if (i == 0) first = buffer;
    differ |= first != buffer;
    close(fds[0]);
    close(fds[1]);
  }
  EXPECT(differ);
}

HELPER(CheckState) {
  // Set before exec: the directory, the mask, the limits stay; mappings and alternate stacks do not.
  stack_t stack;
  sigaltstack(nullptr, &stack);
  char directory[4096];
  return getcwd(directory, sizeof(directory)) && strcmp(directory, argv[1]) == 0 && stack.ss_flags == SS_DISABLE &&
                 umask(0) == 031
             ? 0
             : 1;
}

TEST(WhatSurvives) {
  char directory[4096];
  ASSERT(getcwd(directory, sizeof(directory)) != nullptr);
  static char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof(stack)};
  sigaltstack(&alternate, nullptr);
  umask(031);
  EXPECT_EQ(Helper({"CheckState", directory}), 0);
}

HELPER(SamePid) { return getpid() == atoi(argv[1]) ? 0 : 1; }

TEST(PidStays) {
  const int status = RunInChild(
      [] { return execl(SelfPath(), "self", "--helper", "SamePid", std::to_string(getpid()).c_str(), nullptr); });
  EXPECT_EQ(status, 0);
}

TEST(Scripts) {
  Write("script", "#!" + std::string(SelfPath()) + " --helper\n");
  // The interpreter gets: its name, the one argument, the script, then the rest.
  EXPECT_EQ(Exec("./script", {"ignored", "x"}), 96);
  Write("long", "#!/" + std::string(300, 'x') + "\n");
  EXPECT_EQ(Exec("./long", {"x"}), 200 + ENOEXEC);
  Write("missing", "#!/no/such/interpreter\n");
  EXPECT_EQ(Exec("./missing", {"x"}), 200 + ENOENT);
  Write("directory", "#!/\n");
  EXPECT_EQ(Exec("./directory", {"x"}), 200 + EACCES);
  Write("empty-name", "#!   \n");
  EXPECT_EQ(Exec("./empty-name", {"x"}), 200 + ENOEXEC);
}

TEST(ScriptRecursion) {
  char directory[4096];
  ASSERT(getcwd(directory, sizeof(directory)) != nullptr);
  Write("s0", "#!" + std::string(directory) + "/s0\n");
  EXPECT_EQ(Exec("./s0", {"x"}), 200 + ELOOP);
}

TEST(BadImages) {
  Write("empty", "");
  Write("text", "just text\n");
  Write("magic", "\177ELF");
  Write("noexec", "#!/bin/sh\n", 0644);
  mkdir("dir", 0755);
  EXPECT_EQ(Exec("./empty", {"x"}), 200 + ENOEXEC);
  EXPECT_EQ(Exec("./text", {"x"}), 200 + ENOEXEC);
  EXPECT_EQ(Exec("./magic", {"x"}), 200 + ENOEXEC);
  EXPECT_EQ(Exec("./noexec", {"x"}), 200 + EACCES);
  EXPECT_EQ(Exec("./dir", {"x"}), 200 + EACCES);
  EXPECT_EQ(Exec("./none", {"x"}), 200 + ENOENT);
  EXPECT_EQ(Exec("./text/x", {"x"}), 200 + ENOTDIR);
  EXPECT_EQ(Exec((std::string(300, 'n')).c_str(), {"x"}), 200 + ENAMETOOLONG);
  EXPECT_ERRNO(execve((char*)8, nullptr, nullptr), EFAULT);
  EXPECT_ERRNO(execve(SelfPath(), (char**)8, nullptr), EFAULT);
}

namespace {

// An image of one segment: headers, the code, and the name of an interpreter unless that is empty.
std::string SmallImage(uint16_t type, uint64_t address, const std::string& code, const std::string& interpreter) {
  Elf64_Ehdr header = {};
  memcpy(header.e_ident, "\177ELF\2\1\1", 7);
  header.e_type = type;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(header);
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = interpreter.empty() ? 1 : 2;
  const size_t at = sizeof(header) + 2 * sizeof(Elf64_Phdr);
  header.e_entry = address + at;
  Elf64_Phdr load = {}, name = {};
  load.p_type = PT_LOAD;
  load.p_flags = PF_R | PF_X;
  load.p_vaddr = address;
  load.p_filesz = load.p_memsz = at + code.size() + interpreter.size() + 1;
  load.p_align = 4096;
  name.p_type = PT_INTERP;
  name.p_offset = at + code.size();
  name.p_filesz = name.p_memsz = interpreter.size() + 1;
  return std::string((char*)&header, sizeof(header)) + std::string((char*)&load, sizeof(load)) +
         std::string((char*)&name, sizeof(name)) + code + interpreter + '\0';
}

// Exits with 42 if it runs at `address`, else with 43.
std::string CheckAddressCode(uint32_t address) {
  return std::string("\x48\x8d\x05\xf9\xff\xff\xff", 7) +                // lea -7(%rip), %rax
         std::string("\x48\x3d", 2) + std::string((char*)&address, 4) +  // cmp $address, %rax
         std::string("\x40\x0f\x95\xc7\x40\x0f\xb6\xff", 8) +            // setne %dil; movzbl %dil, %edi
         std::string("\x83\xc7\x2a\xb8\x3c\x00\x00\x00\x0f\x05", 10);    // add $42, %edi; exit
}

}  // namespace

TEST(InterpreterAtItsOwnAddress) {
  TempDir();
  const uint64_t address = 0x12340000;
  const size_t at = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
  Write("interpreter", SmallImage(ET_EXEC, address, CheckAddressCode(address + at), ""));
  Write("program", SmallImage(ET_DYN, 0, "\xcc", "./interpreter"));
  EXPECT_EQ(Exec("./interpreter", {"interpreter"}), 42);
  EXPECT_EQ(Exec("./program", {"program"}), 42);
}

TEST(ProgramWrittenByAMapping) {
  TempDir();
  const std::string self = ReadAll(SelfPath());
  const int fd = ASSERT_OK(open("copy", O_RDWR | O_CREAT, 0755));
  ASSERT_OK(ftruncate(fd, (off_t)self.size()));
  void* m = mmap(nullptr, self.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT(m != MAP_FAILED);
  memcpy(m, self.data(), self.size());
  ASSERT_OK(close(fd));
  EXPECT_EQ(Exec("./copy", {"copy", "--helper", "CheckAuxv"}), 200 + ETXTBSY);  // the mapping keeps it open
  ASSERT_OK(munmap(m, self.size()));
  EXPECT_EQ(Exec("./copy", {"copy", "--helper", "CheckAuxv"}), 0);
}

TEST(Execveat) {
  const int fd = ASSERT_OK(open(SelfPath(), O_PATH | O_CLOEXEC));
  const int status = RunInChild([=] {
    char* argv[] = {(char*)"self", (char*)"--helper", (char*)"ReturnSix", nullptr};
    syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
    return 99;
  });
  EXPECT_EQ(WEXITSTATUS(status), 6);
}

HELPER(ReturnSix) { return 6; }

TEST(ExecOfProcSelfExe) {
  const int status = RunInChild([] { return execl("/proc/self/exe", "self", "--helper", "ReturnSix", nullptr); });
  EXPECT_EQ(WEXITSTATUS(status), 6);
}

HELPER(CheckMemoryProgram) {
  char target[100] = {};
  return readlink("/proc/self/exe", target, sizeof(target) - 1) > 0 && !strcmp(target, "/memfd:program (deleted)") ? 7
                                                                                                                   : 8;
}

TEST(ExecOfAMemoryFile) {
  const std::string self = ReadAll(SelfPath());
  const int fd = ASSERT_OK(memfd_create("program", 0));
  ASSERT(write(fd, self.data(), self.size()) == (ssize_t)self.size());
  const std::string name = "/proc/self/fd/" + std::to_string(fd);
  for (const bool by_name : {false, true}) {
    const int status = RunInChild([&] {
      char* argv[] = {(char*)"self", (char*)"--helper", (char*)"CheckMemoryProgram", nullptr};
      if (by_name) execv(name.c_str(), argv);
      syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
      return 99;
    });
    EXPECT_EQ(WEXITSTATUS(status), 7);
  }
}

TEST(WritingARunningProgram) { EXPECT_ERRNO(open(SelfPath(), O_WRONLY), ETXTBSY); }

static void MakeSetIdProgram() {
  chmod(".", 0755);
  Write("setuid", ReadAll(SelfPath()), 0755);
  chown("setuid", 1234, 1234);
  chmod("setuid", 06755);
}

TEST(SetIdBits) {
  MakeSetIdProgram();
  const int status = RunInChild([] {
    if (setgid(1000) != 0 || setuid(1000) != 0) return 9;
    return execl("./setuid", "self", "--helper", "PrintIds", nullptr);
  });
  const int code = WEXITSTATUS(status);
  if (code == 3) Skip("mounted nosuid");
  EXPECT_EQ(code, 0);
}

// Who shares root and directory with another process gets no rights by exec.
TEST(SetIdBitsOfWhoSharesHisDirectory) {
  MakeSetIdProgram();
  const int status = RunInChild([] {
    if (setgid(1000) != 0 || setuid(1000) != 0) return 9;
    const long other = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (other == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
    return execl("./setuid", "self", "--helper", "PrintIds", nullptr);
  });
  EXPECT_EQ(WEXITSTATUS(status), 3);
}

HELPER(PrintIds) {
  if (geteuid() == 1000) return 3;
  return geteuid() == 1234 && getuid() == 1000 && getegid() == 1234 && getauxval(AT_SECURE) == 1 ? 0 : 1;
}

TEST(ManyExecsInARow) {
  const int status = RunInChild([] { return execl(SelfPath(), SelfPath(), "--helper", "CountDown", "50", nullptr); });
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

HELPER(CountDown) {
  const int left = atoi(argv[1]);
  if (left == 0) return 7;
  return execl(SelfPath(), SelfPath(), "--helper", "CountDown", std::to_string(left - 1).c_str(), nullptr);
}
