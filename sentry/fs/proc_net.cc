// /proc/net: headings here, lines from whoever has the sockets.
#include "sentry/fs/proc_net.h"

#include <map>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/simple_fs_text.h"

namespace runsc {
namespace {

constexpr char kDev[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo "
    "colls carrier compressed\n";
constexpr char kTcp[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    "                                                     \n";
constexpr char kTcp6[] =
    "  sl  local_address                         remote_address                        st tx_queue rx_queue "
    "tr tm->when retrnsmt   uid  timeout inode\n";
constexpr char kUdp[] =
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
    "pointer drops            \n";
constexpr char kUdp6[] =
    "  sl  local_address                         remote_address                        st tx_queue rx_queue "
    "tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
constexpr char kRoute[] =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    "                                                       \n";
constexpr char kArp[] = "IP address       HW type     Flags       HW address            Mask     Device\n";
constexpr char kUnix[] = "Num       RefCount Protocol Flags    Type St Inode Path\n";
constexpr char kNetlink[] =
    "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n";
constexpr char kPacket[] = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";
constexpr char kRoute6[] =
    "00000000000000000000000000000001 80 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000001 00000000 00000001       lo\n"
    "00000000000000000000000000000001 80 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n";

struct NetFile {
  const char* name;
  const char* text;
};

constexpr NetFile kFiles[] = {
    {"arp", kArp},     {"dev", kDev},   {"if_inet6", ""},  {"netlink", kNetlink},   {"packet", kPacket},
    {"raw", kUdp},     {"raw6", kUdp6}, {"route", kRoute}, {"sockstat", ""},        {"tcp", kTcp},
    {"tcp6", kTcp6},   {"udp", kUdp},   {"udp6", kUdp6},   {"ipv6_route", kRoute6}, {"protocols", ""},
    {"sockstat6", ""}, {"unix", kUnix}, {"snmp", ""},      {"snmp6", ""},           {"netstat", ""},
};

// Constant once guests run.
std::map<std::string, ProcNetText>& Texts() {
  static auto* const texts = new std::map<std::string, ProcNetText>;
  return *texts;
}

}  // namespace

void SetProcNetText(const char* name, ProcNetText text) { Texts()[name] = text; }

void AddProcNet(SimpleDir& dir, const ProcTarget& target) {
  for (const NetFile& file : kFiles) {
    auto lines = Texts().find(file.name);
    if (lines == Texts().end()) {
      dir.AddFixed(file.name, file.text);
      continue;
    }
    dir.AddText(file.name, [target, heading = file.text, text = lines->second](Task&) -> Result<std::string> {
      return heading + text(*TRY(target.task()));
    });
  }
}

}  // namespace runsc
