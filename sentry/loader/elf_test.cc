#include "sentry/loader/elf.h"

#include <gtest/gtest.h>
#include <limits.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <string>

namespace runsc {
namespace {

// A file of bytes. Reading one needs no task.
class BytesFile : public File {
 public:
  explicit BytesFile(std::string bytes) : File(Path(), O_RDONLY), bytes_(std::move(bytes)) {}
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override {
    if (*offset < 0) return Errno(EINVAL);
    const auto at = static_cast<uint64_t>(*offset);
    if (at >= bytes_.size()) return size_t{0};
    const size_t n = std::min<size_t>({dst.remaining(), bytes_.size() - at, 100});  // short reads are allowed
    return dst.Write(std::as_bytes(std::span(bytes_.data() + at, n)));
  }
  Result<Mappable> Mmap(uint64_t offset, uint64_t length, int prot, int flags) override {
    Mappable mappable;
    mappable.host_fd = 77;
    mappable.offset = offset;
    return mappable;
  }

 private:
  const std::string bytes_;
};

Task& NoTask() {
  alignas(64) static char nothing[64];
  return reinterpret_cast<Task&>(nothing);
}

Elf64_Phdr Load(uint64_t offset, uint64_t vaddr, uint64_t filesz, uint64_t memsz, uint32_t flags) {
  Elf64_Phdr ph{};
  ph.p_type = PT_LOAD;
  ph.p_flags = flags;
  ph.p_offset = offset;
  ph.p_vaddr = vaddr;
  ph.p_filesz = filesz;
  ph.p_memsz = memsz;
  ph.p_align = 4096;
  return ph;
}

class ElfTest : public testing::Test {
 protected:
  ElfTest() {
    std::memcpy(header_.e_ident, ELFMAG, SELFMAG);
    header_.e_ident[EI_CLASS] = ELFCLASS64;
    header_.e_ident[EI_DATA] = ELFDATA2LSB;
    header_.e_ident[EI_VERSION] = EV_CURRENT;
    header_.e_type = ET_EXEC;
    header_.e_machine = EM_X86_64;
    header_.e_version = EV_CURRENT;
    header_.e_entry = 0x401000;
    header_.e_phoff = sizeof(header_);
    header_.e_ehsize = sizeof(header_);
    header_.e_phentsize = sizeof(Elf64_Phdr);
    headers_ = {Load(0, 0x400000, 0x2000, 0x2000, PF_R | PF_X), Load(0x2000, 0x402000, 0x100, 0x3000, PF_R | PF_W)};
  }

  std::string Bytes() {
    header_.e_phnum = phnum_.value_or(static_cast<uint16_t>(headers_.size()));
    std::string bytes(reinterpret_cast<const char*>(&header_), sizeof(header_));
    bytes.append(reinterpret_cast<const char*>(headers_.data()), headers_.size() * sizeof(Elf64_Phdr));
    bytes.append(tail_);
    return bytes;
  }
  Result<ElfImage> Parse(std::string bytes) { return ParseElf(NoTask(), MakeRef<BytesFile>(std::move(bytes))); }
  Result<ElfImage> Parse() { return Parse(Bytes()); }
  int Error() {
    const auto image = Parse();
    return image.ok() ? 0 : image.error().value();
  }
  void SetInterpreter(const std::string& path) {
    Elf64_Phdr ph{};
    ph.p_type = PT_INTERP;
    ph.p_offset = sizeof(header_) + (headers_.size() + 1) * sizeof(Elf64_Phdr);
    ph.p_filesz = path.size();
    headers_.push_back(ph);
    tail_ = path;
  }

  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> headers_;
  std::optional<uint16_t> phnum_;
  std::string tail_;
};

TEST_F(ElfTest, ReadsAnOrdinaryProgram) {
  const auto image = Parse();
  ASSERT_TRUE(image.ok());
  EXPECT_FALSE(image->position_independent);
  EXPECT_EQ(image->entry, 0x401000u);
  EXPECT_EQ(image->low, 0x400000u);
  EXPECT_EQ(image->high, 0x405000u);
  EXPECT_EQ(image->brk, 0x405000u);
  EXPECT_EQ(image->phdr_addr, 0x400000u + sizeof(Elf64_Ehdr));
  EXPECT_EQ(image->phdr_count, 2);
  EXPECT_EQ(image->start_code, 0x400000u);
  EXPECT_EQ(image->end_code, 0x402000u);
  EXPECT_EQ(image->end_data, 0x402100u);
  EXPECT_FALSE(image->executable_stack);
  ASSERT_EQ(image->segments.size(), 2u);
  EXPECT_EQ(image->segments[0].prot, PROT_READ | PROT_EXEC);
  EXPECT_EQ(image->segments[1].prot, PROT_READ | PROT_WRITE);
}

TEST_F(ElfTest, PlansFilePagesZeroPagesAndTheTailToClear) {
  const auto image = Parse();
  ASSERT_TRUE(image.ok());
  std::vector<MapOp> ops;
  std::vector<RefPtr<RefCounted>> owners;
  ASSERT_TRUE(PlanElf(*image, 0x10000, &ops, &owners).ok());
  ASSERT_EQ(ops.size(), 3u);
  EXPECT_EQ(ops[0].addr, 0x410000u);
  EXPECT_EQ(ops[0].host_fd, 77);
  EXPECT_EQ(ops[1].addr, 0x412000u);
  EXPECT_EQ(ops[1].length, 0x1000u);
  EXPECT_EQ(ops[1].offset, 0x2000u);
  EXPECT_EQ(ops[2].addr, 0x413000u);
  EXPECT_EQ(ops[2].length, 0x2000u);
  EXPECT_TRUE(ops[2].flags & MAP_ANONYMOUS);
  const auto tails = BssTails(*image, 0x10000);
  ASSERT_EQ(tails.size(), 1u);
  EXPECT_EQ(tails[0].addr, 0x412100u);
  EXPECT_EQ(tails[0].size, 0xf00u);
}

TEST_F(ElfTest, UnalignedSegmentsStartAtTheirPage) {
  headers_ = {Load(0x1234, 0x401234, 0x10, 0x20, PF_R)};
  const auto image = Parse();
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image->segments[0].start, 0x401000u);
  EXPECT_EQ(image->segments[0].file_offset, 0x1000u);
  EXPECT_EQ(image->segments[0].file_size, 0x244u);
  EXPECT_EQ(image->segments[0].memory_size, 0x254u);
  headers_[0].p_offset = 0x1235;
  EXPECT_EQ(Error(), EINVAL);
}

TEST_F(ElfTest, ReadsTheInterpreterAndTheStackFlags) {
  header_.e_type = ET_DYN;
  Elf64_Phdr stack{};
  stack.p_type = PT_GNU_STACK;
  stack.p_flags = PF_R | PF_W | PF_X;
  headers_.push_back(stack);
  SetInterpreter(std::string("/lib64/ld.so\0", 13));
  const auto image = Parse();
  ASSERT_TRUE(image.ok());
  EXPECT_TRUE(image->position_independent);
  EXPECT_TRUE(image->executable_stack);
  EXPECT_EQ(image->interpreter, "/lib64/ld.so");
}

TEST_F(ElfTest, RefusesBadInterpreters) {
  SetInterpreter("/no/nul");
  EXPECT_EQ(Error(), ENOEXEC);
  headers_.back().p_filesz = PATH_MAX + 1;
  EXPECT_EQ(Error(), ENOEXEC);
  headers_.back().p_filesz = 1;
  EXPECT_EQ(Error(), ENOEXEC);
  headers_.back().p_filesz = 8;
  headers_.back().p_offset = 1 << 20;  // beyond the file
  EXPECT_EQ(Error(), EIO);
  headers_.back().p_offset = uint64_t{1} << 63;
  EXPECT_EQ(Error(), EINVAL);
}

TEST_F(ElfTest, RefusesOtherFormats) {
  const auto with = [this](auto change) {
    const Elf64_Ehdr saved = header_;
    change(header_);
    const int error = Error();
    header_ = saved;
    return error;
  };
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_ident[1] = 'e'; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_ident[EI_DATA] = ELFDATA2MSB; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_machine = EM_AARCH64; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_type = ET_REL; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_type = ET_CORE; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_phentsize = 32; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_phoff = uint64_t{1} << 63; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_phoff = 1 << 20; }), ENOEXEC);
  EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_phoff = INT64_MAX; }), ENOEXEC);
  EXPECT_EQ(Parse("").error().value(), ENOEXEC);
  EXPECT_EQ(Parse("#!/bin/sh\n").error().value(), ENOEXEC);
}

TEST_F(ElfTest, RefusesTooManyOrNoProgramHeaders) {
  phnum_ = 0;
  EXPECT_EQ(Error(), ENOEXEC);
  phnum_ = 0xffff;
  EXPECT_EQ(Error(), ENOEXEC);
  phnum_ = 3;  // one more than the file has
  EXPECT_EQ(Error(), ENOEXEC);
  phnum_.reset();
  headers_.clear();
  headers_.push_back({});  // none to load
  EXPECT_EQ(Error(), ENOEXEC);
}

TEST_F(ElfTest, RefusesAbsurdSegments) {
  const auto with = [this](Elf64_Phdr ph) {
    headers_ = {ph};
    return Error();
  };
  constexpr uint64_t kTop = uint64_t{1} << 47;
  EXPECT_EQ(with(Load(0, 0x400000, 0x2000, 0x1000, PF_R)), EINVAL);  // more in the file than in memory
  EXPECT_EQ(with(Load(0, kTop, 0x1000, 0x1000, PF_R)), ENOMEM);
  EXPECT_EQ(with(Load(0, kTop - 0x1000, 0x1000, 0x2000, PF_R)), ENOMEM);
  EXPECT_EQ(with(Load(0, 0x400000, 0x1000, UINT64_MAX, PF_R)), ENOMEM);
  EXPECT_EQ(with(Load(0, UINT64_MAX & ~uint64_t{4095}, 0x1000, 0x1000, PF_R)), ENOMEM);
  EXPECT_EQ(with(Load(UINT64_MAX & ~uint64_t{4095}, 0x400000, 0x1000, 0x1000, PF_R)), EINVAL);
  EXPECT_EQ(with(Load(0, kTop - 0x1000, 0x1000, 0x1000, PF_R)), 0);
}

TEST_F(ElfTest, IgnoresAbsurdAlignment) {
  header_.e_type = ET_DYN;
  for (const uint64_t align : {uint64_t{0}, uint64_t{3}, uint64_t{1} << 40, UINT64_MAX}) {
    headers_[0].p_align = align;
    const auto image = Parse();
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image->alignment, 4096u);
  }
  headers_[0].p_align = 1 << 21;
  EXPECT_EQ(Parse()->alignment, uint64_t{1} << 21);
}

// Whatever the bytes: an error, or an image whose ranges can be computed with.
TEST_F(ElfTest, SurvivesDamagedImages) {
  SetInterpreter(std::string("/lib64/ld.so\0", 13));
  const std::string whole = Bytes();
  std::mt19937_64 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (int i = static_cast<int>(random() % 8); i >= 0; --i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (round % 4 == 0) bytes.resize(random() % bytes.size());
    const auto image = Parse(bytes);
    if (!image.ok()) continue;
    ASSERT_LE(image->low, image->high);
    ASSERT_LE(image->high, (uint64_t{1} << 47) + 4096);
    std::vector<MapOp> ops;
    std::vector<RefPtr<RefCounted>> owners;
    ASSERT_TRUE(PlanElf(*image, 0, &ops, &owners).ok());
    for (const MapOp& op : ops) {
      ASSERT_GE(op.addr, image->low);
      ASSERT_LE(op.addr + op.length, image->high);
    }
    for (const ZeroRange& range : BssTails(*image, 0)) ASSERT_LT(range.size, 4096u);
  }
}

}  // namespace
}  // namespace runsc
