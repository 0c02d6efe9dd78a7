// The files of /proc/PID and /proc/PID/task/TID: one generator each, listed in proc_pid.cc.
#pragma once

#include "sentry/fs/proc_target.h"
#include "sentry/fs/simple_fs.h"

namespace runsc {

using ProcText = Result<std::string> (*)(const ProcTarget& target, Task& reader);
using ProcStore = Result<void> (*)(const ProcTarget& target, Task& writer, std::string_view text);

// proc_status.cc
Result<std::string> ProcStat(const ProcTarget& target, Task& reader);
Result<std::string> ProcStatm(const ProcTarget& target, Task& reader);
Result<std::string> ProcStatus(const ProcTarget& target, Task& reader);

// proc_attributes.cc
Result<std::string> ProcComm(const ProcTarget& target, Task& reader);
Result<void> StoreProcComm(const ProcTarget& target, Task& writer, std::string_view text);
Result<std::string> ProcLimits(const ProcTarget& target, Task& reader);
Result<std::string> ProcOomScore(const ProcTarget& target, Task& reader);
Result<std::string> ProcOomScoreAdj(const ProcTarget& target, Task& reader);
Result<void> StoreProcOomScoreAdj(const ProcTarget& target, Task& writer, std::string_view text);
Result<std::string> ProcOomAdj(const ProcTarget& target, Task& reader);
Result<void> StoreProcOomAdj(const ProcTarget& target, Task& writer, std::string_view text);
Result<std::string> ProcSchedstat(const ProcTarget& target, Task& reader);
Result<std::string> ProcSched(const ProcTarget& target, Task& reader);
Result<std::string> ProcChildren(const ProcTarget& target, Task& reader);

// proc_settings.cc
Result<std::string> ProcCoredumpFilter(const ProcTarget& target, Task& reader);
Result<void> StoreProcCoredumpFilter(const ProcTarget& target, Task& writer, std::string_view text);
Result<std::string> ProcTimerslack(const ProcTarget& target, Task& reader);
Result<void> StoreProcTimerslack(const ProcTarget& target, Task& writer, std::string_view text);
Result<std::string> ProcLoginuid(const ProcTarget& target, Task& reader);
Result<void> StoreProcLoginuid(const ProcTarget& target, Task& writer, std::string_view text);
Result<std::string> ProcSessionid(const ProcTarget& target, Task& reader);
Result<std::string> ProcTimers(const ProcTarget& target, Task& reader);
Result<std::string> ProcIo(const ProcTarget& target, Task& reader);

// proc_memory.cc
// What a process was started with, a NUL after each word; not more than `most` bytes.
std::string ArgumentsOf(MemoryManager& mm, uint64_t most);
Result<std::string> ProcCmdline(const ProcTarget& target, Task& reader);
Result<std::string> ProcEnviron(const ProcTarget& target, Task& reader);
Result<std::string> ProcAuxv(const ProcTarget& target, Task& reader);
Result<std::string> ProcMaps(const ProcTarget& target, Task& reader);
Result<std::string> ProcSmaps(const ProcTarget& target, Task& reader);
Result<std::string> ProcArchStatus(const ProcTarget& target, Task& reader);
Result<std::string> ProcNumaMaps(const ProcTarget& target, Task& reader);
Result<std::string> ProcSmapsRollup(const ProcTarget& target, Task& reader);
RefPtr<SimpleNode> NewProcPagemap(SimpleFs& fs, const ProcTarget& target, uint64_t ino);
RefPtr<SimpleNode> NewProcMem(SimpleFs& fs, const ProcTarget& target, uint64_t ino);

// proc_mounts.cc
// The text with the characters of `which` as \ooo.
std::string InOctal(const std::string& text, std::string_view which);
Result<std::string> ProcMounts(const ProcTarget& target, Task& reader);
Result<std::string> ProcMountinfo(const ProcTarget& target, Task& reader);
Result<std::string> ProcMountstats(const ProcTarget& target, Task& reader);

// proc_links.cc
enum class ProcLinkKind { kCwd, kRoot, kExe };
RefPtr<SimpleNode> NewProcLink(SimpleFs& fs, const ProcTarget& target, ProcLinkKind kind, uint64_t ino);
RefPtr<SimpleNode> NewProcNsDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino);

// proc_user_ns.cc
Result<std::string> ProcUidMap(const ProcTarget& target, Task& reader);
Result<std::string> ProcGidMap(const ProcTarget& target, Task& reader);
Result<std::string> ProcProjidMap(const ProcTarget& target, Task& reader);
Result<std::string> ProcSetgroups(const ProcTarget& target, Task& reader);
Result<void> StoreProcUidMap(const ProcTarget& target, Task& writer, std::string_view text);
Result<void> StoreProcGidMap(const ProcTarget& target, Task& writer, std::string_view text);
Result<void> StoreProcProjidMap(const ProcTarget& target, Task& writer, std::string_view text);
Result<void> StoreProcSetgroups(const ProcTarget& target, Task& writer, std::string_view text);

// proc_fd.cc
RefPtr<SimpleNode> NewProcFdDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino);
RefPtr<SimpleNode> NewProcFdinfoDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino);

// proc_pid.cc
RefPtr<SimpleNode> NewProcPidDir(SimpleFs& fs, const ProcTarget& target);

// proc_net.cc
void AddProcNet(SimpleDir& dir, const ProcTarget& target);

// proc_sys.cc
void AddProcSys(SimpleDir& dir);

// proc_machine.cc
void AddProcMachine(SimpleDir& dir);

// Base of everything below /proc/PID: owned by the process' user; the number `index` tells the entries of
// one directory apart.
uint64_t ProcIno(const ProcTarget& target, uint32_t index);
void SetProcOwner(const ProcTarget& target, Attr& attr);

// `Base` is SimpleNode or TextNode, made from what follows the target.
template <typename Base>
class ProcNode : public Base {
 public:
  template <typename... Args>
  explicit ProcNode(const ProcTarget& target, Args&&... args) : Base(std::forward<Args>(args)...), target_(target) {}
  Result<Attr> GetAttr() override {
    Attr attr = TRY(Base::GetAttr());
    SetProcOwner(target_, attr);
    return attr;
  }

 protected:
  const ProcTarget target_;
};

}  // namespace runsc
