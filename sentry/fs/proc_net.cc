// /proc/net: the sandbox has a loopback interface and, so far, no Internet sockets.
#include "sentry/fs/proc_net.h"

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/simple_fs_text.h"

namespace runsc {
namespace {

constexpr char kDev[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo "
    "colls carrier compressed\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     "
    "0       0          0\n";
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
constexpr char kIfInet6[] = "00000000000000000000000000000001 01 80 10 80       lo\n";
constexpr char kSockstat[] =
    "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\n"
    "RAW: inuse 0\nFRAG: inuse 0 memory 0\n";

struct NetFile {
  const char* name;
  const char* text;
};

constexpr NetFile kFiles[] = {
    {"arp", kArp},         {"dev", kDev},     {"if_inet6", kIfInet6}, {"netlink", kNetlink},
    {"packet", kPacket},   {"raw", kUdp},     {"raw6", kUdp6},        {"route", kRoute},
    {"sockstat", kSockstat}, {"tcp", kTcp},   {"tcp6", kTcp6},        {"udp", kUdp},
    {"udp6", kUdp6},       {"ipv6_route", ""},     {"protocols", ""},
};

UnixSocketLister unix_sockets = nullptr;

}  // namespace

void SetUnixSocketLister(UnixSocketLister lister) { unix_sockets = lister; }

void AddProcNet(SimpleDir& dir) {
  for (const NetFile& file : kFiles) dir.AddFixed(file.name, file.text);
  dir.AddText("unix", [](Task&) -> Result<std::string> {
    return unix_sockets != nullptr ? kUnix + unix_sockets() : std::string(kUnix);
  });
}

}  // namespace runsc
