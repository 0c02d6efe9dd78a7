// See the header of the class under test.
#include "sentry/net/unix_endpoint.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

constexpr ucred kAlice{1, 1000, 1000};
constexpr ucred kBob{2, 1001, 1001};

Result<size_t> Send(UnixEndpoint& from, const std::string& data, UnixEndpoint* to = nullptr) {
  BufferSource src(std::as_bytes(std::span(data)));
  SendRequest request{src};
  return from.type() == SOCK_STREAM ? from.SendStream(request, kAlice) : from.SendMessage(to, request, kAlice);
}

Result<std::string> Receive(UnixEndpoint& at, size_t size = 1000, int flags = 0) {
  std::string data(size, '\0');
  BufferSink sink(std::as_writable_bytes(std::span(data)));
  ReceiveRequest request{sink, flags};
  const size_t n = TRY(at.type() == SOCK_STREAM ? at.ReceiveStream(request, false) : at.ReceiveMessage(request, false));
  data.resize(std::min(n, size));
  return data;
}

class UnixEndpointTest : public testing::Test {
 protected:
  ~UnixEndpointTest() override {
    a_->Close();
    b_->Close();
  }
  void MakePair(int type) {
    a_ = MakeRef<UnixEndpoint>(type, kAlice);
    b_ = MakeRef<UnixEndpoint>(type, kBob);
    UnixEndpoint::Pair(*a_, *b_);
  }
  RefPtr<UnixEndpoint> a_ = MakeRef<UnixEndpoint>(SOCK_STREAM, kAlice);
  RefPtr<UnixEndpoint> b_ = MakeRef<UnixEndpoint>(SOCK_STREAM, kBob);
};

TEST_F(UnixEndpointTest, StreamsJoinWrites) {
  MakePair(SOCK_STREAM);
  ASSERT_TRUE(Send(*a_, "one").ok());
  ASSERT_TRUE(Send(*a_, "two").ok());
  EXPECT_EQ(*Receive(*b_, 4, MSG_PEEK), "onet");
  EXPECT_EQ(*Receive(*b_), "onetwo");
  EXPECT_EQ(Receive(*b_).error(), Errno(EAGAIN));
  EXPECT_EQ(a_->UnsentBytes(), 0u);
}

// Trying again and again costs nothing, and who gave up is forgotten.
TEST_F(UnixEndpointTest, AFullBacklogRemembersEachClientOnce) {
  const auto name = std::make_shared<const UnixAddress>(UnixAddress{.path = "full", .abstract = true});
  ASSERT_TRUE(a_->SetName(name, Path()).ok());
  ASSERT_TRUE(a_->Listen(0, kAlice).ok());
  ASSERT_TRUE(UnixEndpoint::ConnectStream(*b_, *a_, kBob).ok());
  const auto again = MakeRef<UnixEndpoint>(SOCK_STREAM, kBob);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(UnixEndpoint::ConnectStream(*again, *a_, kBob).error(), Errno(EAGAIN));
  EXPECT_EQ(a_->waiting(), 1u);
  for (int i = 0; i < 1000; ++i) {
    const auto client = MakeRef<UnixEndpoint>(SOCK_STREAM, kBob);
    EXPECT_EQ(UnixEndpoint::ConnectStream(*client, *a_, kBob).error(), Errno(EAGAIN));
    client->Close();
  }
  EXPECT_LT(a_->waiting(), 200u);
}

TEST_F(UnixEndpointTest, MessagesKeepTheirBounds) {
  MakePair(SOCK_SEQPACKET);
  ASSERT_TRUE(Send(*a_, "one").ok());
  ASSERT_TRUE(Send(*a_, "two").ok());
  EXPECT_EQ(*Receive(*b_, 2), "on");
  EXPECT_EQ(*Receive(*b_), "two");
}

TEST_F(UnixEndpointTest, SendBufferBoundsWhatNobodyReads) {
  MakePair(SOCK_STREAM);
  size_t sent = 0;
  for (;;) {
    const auto n = Send(*a_, std::string(10000, 'x'));
    if (!n.ok()) break;
    sent += *n;
  }
  EXPECT_LT(sent, 400000u);
  EXPECT_FALSE(a_->Readiness() & EPOLLOUT);
  while (Receive(*b_, 65536).ok()) {
  }
  EXPECT_TRUE(a_->Readiness() & EPOLLOUT);
}

TEST_F(UnixEndpointTest, ClosingEndsThePeer) {
  MakePair(SOCK_STREAM);
  ASSERT_TRUE(Send(*a_, "last").ok());
  a_->Close();
  EXPECT_EQ(*Receive(*b_), "last");
  EXPECT_EQ(Receive(*b_).error(), Errno(ECONNRESET));  // a_ had no description: as never accepted
  EXPECT_EQ(*Receive(*b_), "");
  EXPECT_EQ(Send(*b_, "x").error(), Errno(EPIPE));
}

TEST_F(UnixEndpointTest, ListenConnectAccept) {
  RefPtr<UnixEndpoint> listener = MakeRef<UnixEndpoint>(SOCK_STREAM, kBob);
  EXPECT_EQ(listener->Listen(0, kBob).error(), Errno(EINVAL));
  ASSERT_TRUE(listener->SetName(std::make_shared<UnixAddress>(UnixAddress{"n", true}), Path()).ok());
  ASSERT_TRUE(listener->Listen(0, kBob).ok());
  EXPECT_EQ(listener->Accept().error(), Errno(EAGAIN));
  ASSERT_TRUE(UnixEndpoint::ConnectStream(*a_, *listener, kAlice).ok());
  EXPECT_EQ(UnixEndpoint::ConnectStream(*a_, *listener, kAlice).error(), Errno(EISCONN));
  EXPECT_EQ(UnixEndpoint::ConnectStream(*b_, *listener, kAlice).error(), Errno(EAGAIN));  // backlog full
  RefPtr<UnixEndpoint> server = *listener->Accept();
  EXPECT_EQ(server->peer_credentials().uid, kAlice.uid);
  EXPECT_EQ(a_->peer_credentials().uid, kBob.uid);
  ASSERT_TRUE(Send(*a_, "hi").ok());
  EXPECT_EQ(*Receive(*server), "hi");
  server->Close();
  listener->Close();
  EXPECT_EQ(UnixEndpoint::ConnectStream(*b_, *listener, kAlice).error(), Errno(ECONNREFUSED));
}

TEST_F(UnixEndpointTest, ShutdownIsMirrored) {
  MakePair(SOCK_STREAM);
  EXPECT_EQ(a_->Shutdown(3).error(), Errno(EINVAL));
  ASSERT_TRUE(a_->Shutdown(SHUT_WR).ok());
  EXPECT_EQ(Send(*a_, "x").error(), Errno(EPIPE));
  EXPECT_EQ(*Receive(*b_), "");
  ASSERT_TRUE(Send(*b_, "back").ok());
  EXPECT_EQ(*Receive(*a_), "back");
}

TEST_F(UnixEndpointTest, DatagramsQueueUpToALimit) {
  RefPtr<UnixEndpoint> from = MakeRef<UnixEndpoint>(SOCK_DGRAM, kAlice);
  RefPtr<UnixEndpoint> to = MakeRef<UnixEndpoint>(SOCK_DGRAM, kBob);
  int queued = 0;
  while (Send(*from, "x", to.get()).ok()) ++queued;
  EXPECT_EQ(queued, 11);
  EXPECT_EQ(*Receive(*to), "x");
  EXPECT_TRUE(Send(*from, "x", to.get()).ok());
  to->Close();
  EXPECT_EQ(Send(*from, "x", to.get()).error(), Errno(ECONNREFUSED));
  from->Close();
}

TEST(UnixAddress, ParsesAndPrints) {
  SocketAddress in = UnixAddress{"/tmp/x", false}.ToSocketAddress();
  EXPECT_EQ(in.size, 2u + 7);
  EXPECT_EQ((*ParseUnixAddress(in))->path, "/tmp/x");
  in = UnixAddress{std::string("a\0b", 3), true}.ToSocketAddress();
  EXPECT_TRUE((*ParseUnixAddress(in))->abstract);
  EXPECT_EQ((*ParseUnixAddress(in))->path, std::string("a\0b", 3));
  in.size = 1;
  EXPECT_EQ(ParseUnixAddress(in).error(), Errno(EINVAL));
}

}  // namespace
}  // namespace runsc
