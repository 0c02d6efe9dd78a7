// Executable files that lie about themselves: exec fails, or the new process dies; nothing else does.

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

// mov $60,%eax; mov $42,%edi; syscall: exits with 42.
const unsigned char kCode[] = {0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05, 0xf4};
constexpr uint64_t kBase = 0x400000;

struct Image {
  Image() {
    header = {};
    memcpy(header.e_ident, "\177ELF\2\1\1", 7);
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = 1;
    header.e_entry = kBase + 0x800;
    header.e_phoff = sizeof(header);
    header.e_ehsize = sizeof(header);
    header.e_phentsize = sizeof(Elf64_Phdr);
    Load(kBase, 0, 0x1000, 0x1000, PF_R | PF_X);
  }

  Elf64_Phdr& Load(uint64_t address, uint64_t offset, uint64_t in_file, uint64_t in_memory, uint32_t flags) {
    segments.push_back({PT_LOAD, flags, offset, address, address, in_file, in_memory, 0x1000});
    return segments.back();
  }

  void Interpreter(const std::string& name, uint64_t size) {
    segments.insert(segments.begin(), {PT_INTERP, PF_R, 0xc00, kBase + 0xc00, 0, size, size, 1});
    interpreter = name;
  }

  std::string Bytes() {
    header.e_phnum = phnum >= 0 ? phnum : segments.size();
    std::string bytes(0x1000, '\0');
    memcpy(&bytes[0], &header, sizeof(header));
    for (size_t i = 0; i < segments.size() && i < 20; i++) {
      memcpy(&bytes[sizeof(header) + i * sizeof(Elf64_Phdr)], &segments[i], sizeof(Elf64_Phdr));
    }
    memcpy(&bytes[0x800], kCode, sizeof(kCode));
    memcpy(&bytes[0xc00], interpreter.data(), interpreter.size());
    return bytes;
  }

  Elf64_Ehdr header;
  std::vector<Elf64_Phdr> segments;
  std::string interpreter;
  int phnum = -1;
};

void Write(const char* path, const std::string& bytes) {
  unlink(path);
  const int fd = ASSERT_OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), (ssize_t)bytes.size());
  close(fd);
}

// 42: ran. 200 + errno: exec refused. 1000 + signal: died.
int Run(const std::string& bytes) {
  Write("image", bytes);
  const int status = RunInChild([] {
    execl("./image", "image", nullptr);
    return 200 + (errno < 55 ? errno : 55);
  });
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

constexpr int kNoExec = 200 + ENOEXEC;

bool Refused(int outcome) { return (outcome > 200 && outcome < 256) || outcome > 1000; }

}  // namespace

TEST(AGoodImageRuns) { EXPECT_EQ(Run(Image().Bytes()), 42); }

TEST(HeaderFields) {
  Image image;
  image.header.e_machine = EM_AARCH64;
  EXPECT_EQ(Run(image.Bytes()), kNoExec);
  image = Image();
  image.header.e_ident[EI_CLASS] = ELFCLASS32;
  image.header.e_machine = EM_386;
  EXPECT(Refused(Run(image.Bytes())));
  image = Image();
  image.header.e_type = ET_REL;
  EXPECT_EQ(Run(image.Bytes()), kNoExec);
  image = Image();
  image.header.e_type = ET_CORE;
  EXPECT_EQ(Run(image.Bytes()), kNoExec);
  image = Image();
  image.header.e_phentsize = 32;
  EXPECT_EQ(Run(image.Bytes()), kNoExec);
  image = Image();
  image.phnum = 0;
  EXPECT(Refused(Run(image.Bytes())));
  image = Image();
  image.phnum = 65535;
  EXPECT_EQ(Run(image.Bytes()), kNoExec);
}

TEST(HeadersElsewhere) {
  for (uint64_t offset : {1ul << 20, 1ul << 62, ~0ul, ~0ul - 55, 0xff0ul}) {
    Image image;
    image.header.e_phoff = offset;
    EXPECT(Refused(Run(image.Bytes())));
  }
}

TEST(SegmentAddresses) {
  for (uint64_t address : {0ul - 0x1000, 1ul << 63, 1ul << 47, 0x7ffffffff000ul, 0xffffffff81000000ul}) {
    Image image;
    image.Load(address & ~0xffful, 0, 0x1000, 0x1000, PF_R | PF_W);
    EXPECT(Refused(Run(image.Bytes())));
  }
  // Over the stack, the vDSO or whatever a sandbox hides high up: refused, killed or harmless.
  for (uint64_t address = 0x7c0000000000; address < 0x7ffffffff000; address += 0x7ffff000000) {
    Image image;
    image.Load(address & ~0xffful, 0, 0x1000, 0x1000, PF_R | PF_W | PF_X);
    const int outcome = Run(image.Bytes());
    EXPECT(outcome == 42 || Refused(outcome));
  }
}

TEST(SegmentSizes) {
  Image image;
  image.Load(0x600000, 0, 0x1000, 0x800, PF_R | PF_W);  // more in the file than in memory
  EXPECT(Refused(Run(image.Bytes())));
  for (uint64_t size : {~0ul, 1ul << 63, 1ul << 47, ~0ul - 0x600000}) {
    image = Image();
    image.Load(0x600000, 0, 0x1000, size, PF_R | PF_W);
    EXPECT(Refused(Run(image.Bytes())));
    image = Image();
    image.Load(0x600000, 0, size, size, PF_R | PF_W);
    EXPECT(Refused(Run(image.Bytes())));
  }
  image = Image();
  image.Load(0x600000, 0, 0, 64ul << 30, PF_R);  // a huge bss is only address space
  const int huge = Run(image.Bytes());
  EXPECT(huge == 42 || Refused(huge));
}

TEST(SegmentOffsets) {
  for (uint64_t offset : {0x123ul, 1ul << 40, 1ul << 62, ~0ul & ~0xffful}) {
    Image image;
    image.Load(0x600000, offset, 0x1000, 0x1000, PF_R | PF_W);
    const int outcome = Run(image.Bytes());
    EXPECT(outcome == 42 || Refused(outcome));
  }
}

TEST(OverlappingSegments) {
  Image image;
  image.Load(kBase, 0, 0x1000, 0x1000, PF_R | PF_X);
  EXPECT_EQ(Run(image.Bytes()), 42);
  image.Load(kBase + 0x10000, 0, 0x1000, 0x1000, PF_R);
  image.Load(0x300000, 0, 0x1000, 0x1000, PF_R);  // out of order
  EXPECT_EQ(Run(image.Bytes()), 42);
}

TEST(Entries) {
  for (uint64_t entry : {0ul, 8ul, 1ul << 47, 1ul << 63, 0x7fffffffffffUL, kBase + 0x5000}) {
    Image image;
    image.header.e_entry = entry;
    EXPECT_EQ(Run(image.Bytes()), 1000 + SIGSEGV);
  }
}

TEST(Interpreters) {
  Image image;
  image.Interpreter("/no/such/loader", 16);
  EXPECT_EQ(Run(image.Bytes()), 200 + ENOENT);
  image = Image();
  image.Interpreter("/tmp", 5);
  EXPECT(Refused(Run(image.Bytes())));
  image = Image();
  image.Interpreter("", 1);
  EXPECT(Refused(Run(image.Bytes())));
  image = Image();
  image.Interpreter("/bin/sh", 7);  // no end of string
  EXPECT_EQ(Run(image.Bytes()), kNoExec);
  for (uint64_t size : {0ul, 5000ul, 1ul << 40, ~0ul}) {
    image = Image();
    image.Interpreter("/bin/sh", size);
    EXPECT(Refused(Run(image.Bytes())));
  }
}

TEST(AnImageThatInterpretsItself) {
  char directory[4000];
  ASSERT(getcwd(directory, sizeof(directory)) != nullptr);
  Image image;
  const std::string own = std::string(directory) + "/image";
  image.Interpreter(own, own.size() + 1);
  const int outcome = Run(image.Bytes());
  EXPECT(outcome == 42 || Refused(outcome));
}

TEST(TruncatedImages) {
  const std::string whole = Image().Bytes();
  for (size_t length = 0; length < whole.size(); length += 64) {
    const int outcome = Run(whole.substr(0, length));
    if (length > 0x800 + sizeof(kCode)) {
      EXPECT(outcome == 42);
    } else {
      EXPECT(Refused(outcome));
    }
  }
}

TEST(RandomlyDamagedImages) {
  uint32_t state = 12345;
  for (int round = 0; round < 300; round++) {
    std::string bytes = Image().Bytes();
    for (int i = 0; i < 3; i++) {
      state = state * 1664525 + 1013904223;
      bytes[(state >> 8) % 0xc0] = state >> 24;
    }
    Run(bytes);  // any outcome but a dead sandbox
  }
  EXPECT_EQ(Run(Image().Bytes()), 42);
}

TEST(TruncatedWhileRunning) {
  // exit(42) after the file shrank under the mapping: the process may die, the kernel may not.
  Write("self", ReadAll(SelfPath()));
  const pid_t child = fork();
  if (child == 0) {
    execl("./self", "./self", "--helper", "Spin", nullptr);
    _exit(1);
  }
  SleepMs(50);
  EXPECT_ERRNO(open("self", O_WRONLY | O_TRUNC), ETXTBSY);
  kill(child, SIGKILL);
  WaitStatus(child);
}

HELPER(Spin) {
  for (;;) pause();
}
