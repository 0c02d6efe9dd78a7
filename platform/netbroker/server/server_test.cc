// The broker's server and the sentry's client, with a thread each.
#include "platform/netbroker/server/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

#include "platform/netbroker/client.h"
#include "platform/netbroker/message.h"
#include "platform/netbroker/socket_rules.h"

namespace runsc {
namespace {

class BrokerTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    channel_ = ends[0];
    broker_ = std::make_unique<NetBroker>(UniqueFd(ends[0]));
    server_ = std::thread([fd = ends[1]] { RunNetBroker(UniqueFd(fd)); });
  }
  void TearDown() override {
    broker_.reset();
    server_.join();
  }
  UniqueFd Stream() {
    auto fd = broker_->Socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_TRUE(fd.ok());
    return fd.ok() ? UniqueFd(fd->release()) : UniqueFd();
  }

  int channel_ = -1;
  std::unique_ptr<NetBroker> broker_;
  std::thread server_;
};

std::string Loopback(uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return std::string(reinterpret_cast<const char*>(&in), sizeof(in));
}

TEST_F(BrokerTest, SocketsListenAndConnect) {
  const UniqueFd listener = Stream(), client = Stream();
  EXPECT_TRUE(fcntl(listener.get(), F_GETFL) & O_NONBLOCK);
  ASSERT_TRUE(broker_->Bind(listener.get(), Loopback(0)).ok());
  ASSERT_TRUE(broker_->Listen(listener.get(), 1).ok());
  const auto name = broker_->GetName(listener.get());
  ASSERT_TRUE(name.ok());
  ASSERT_EQ(name->size(), sizeof(sockaddr_in));
  const auto connected = broker_->Connect(client.get(), *name);
  EXPECT_TRUE(connected.ok() || connected.error() == Errno(EINPROGRESS));
  EXPECT_EQ(broker_->Bind(Stream().get(), *name).error(), Errno(EADDRINUSE));
  EXPECT_EQ(broker_->GetPeer(Stream().get()).error(), Errno(ENOTCONN));
  EXPECT_TRUE(broker_->Shutdown(client.get(), SHUT_WR).ok());
}

TEST_F(BrokerTest, OnlyListedKindsAndOptions) {
  EXPECT_EQ(broker_->Socket(AF_UNIX, SOCK_STREAM, 0).error(), Errno(EPROTONOSUPPORT));
  EXPECT_EQ(broker_->Socket(AF_INET, SOCK_RAW, IPPROTO_RAW).error(), Errno(EPROTONOSUPPORT));
  const UniqueFd fd = Stream();
  const int one = 1;
  const std::string_view value(reinterpret_cast<const char*>(&one), sizeof(one));
  EXPECT_TRUE(broker_->SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, value).ok());
  EXPECT_EQ(broker_->SetOption(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, value).error(), Errno(ENOPROTOOPT));
  EXPECT_EQ(broker_->SetOption(fd.get(), SOL_SOCKET, SO_MARK, value).error(), Errno(ENOPROTOOPT));
}

TEST(SocketRulesTest, WhatTakesAnArgumentIsNotRead) {
  constexpr int kTcpZerocopyReceive = 35;  // takes addresses
  EXPECT_FALSE(MayReadOption(IPPROTO_TCP, kTcpZerocopyReceive));
  EXPECT_FALSE(MayReadOption(IPPROTO_IP, IP_MSFILTER));
  EXPECT_FALSE(MayReadOption(SOL_SOCKET, SO_GET_FILTER));
  EXPECT_TRUE(MayReadOption(SOL_SOCKET, SO_ERROR));
  EXPECT_TRUE(MayReadOption(IPPROTO_TCP, TCP_NODELAY));
}

TEST_F(BrokerTest, ActsOnInternetSocketsAlone) {
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC)), unix_socket(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_EQ(broker_->Listen(file.get(), 1).error(), Errno(ENOTSOCK));
  EXPECT_EQ(broker_->Listen(unix_socket.get(), 1).error(), Errno(ENOTSOCK));
  EXPECT_EQ(broker_->Listen(-1, 1).error(), Errno(ENOTSOCK));
}

TEST_F(BrokerTest, InterfacesAreReadOnly) {
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  const std::string_view bytes(reinterpret_cast<const char*>(&request), sizeof(request));
  EXPECT_TRUE(broker_->Interface(SIOCGIFINDEX, bytes).ok());
  EXPECT_EQ(broker_->Interface(SIOCSIFFLAGS, bytes).error(), Errno(ENOTTY));
  EXPECT_TRUE(broker_->Interface(SIOCGIFCONF, {}).ok());
}

TEST_F(BrokerTest, EndsOnARequestThatIsNone) {
  const std::byte junk[3] = {};
  ASSERT_TRUE(SendPacket(channel_, junk, {}, -1));
  EXPECT_EQ(broker_->Socket(AF_INET, SOCK_STREAM, 0).error(), Errno(EIO));
}

TEST(BrokerFilterTest, IsReviewedAndCompiles) {
  EXPECT_TRUE(ReviewFilter(BrokerFilter()).empty());
  EXPECT_TRUE(CompileFilter(BrokerFilter()).ok());
  EXPECT_LE(CountCalls(BrokerFilter()), 20u);
}

}  // namespace
}  // namespace runsc
