// Connections over loopback: making, refusing, ending and resetting them.
#include "sentry/net/tcp_endpoint.h"

#include <gtest/gtest.h>

#include <string>

namespace runsc {
namespace {

using Endpoint = RefPtr<TcpEndpoint>;

PortClaim ClaimOf(uint16_t port) {
  PortClaim claim;
  claim.local = {IpAddress::V4(INADDR_LOOPBACK), port};
  return claim;
}

PortClaim AnyClaim() {
  PortClaim claim;
  claim.local = {IpAddress::V4Any(), 0};
  return claim;
}

Endpoint New() { return MakeRef<TcpEndpoint>(RefPtr<NetStack>(&NetStack::First()), AF_INET, 0); }

Endpoint NewListener(int backlog = 4) {
  Endpoint listener = New();
  EXPECT_TRUE(listener->Bind(ClaimOf(0)).ok());
  EXPECT_TRUE(listener->Listen(AnyClaim(), backlog).ok());
  return listener;
}

int ConnectTo(TcpEndpoint& client, const IpEndpoint& to, bool nonblocking = false) {
  const auto result = client.Connect(to, AnyClaim(), nonblocking);
  return result.ok() ? 0 : result.error().value();
}

struct Connection {
  Endpoint client, server;
  Connection() : client(New()) {
    Endpoint listener = NewListener();
    EXPECT_EQ(ConnectTo(*client, listener->local()), 0);
    auto accepted = listener->Accept();
    EXPECT_TRUE(accepted.ok());
    server = *accepted;
    listener->Close(false);
  }
  ~Connection() {
    client->Close(false);
    server->Close(false);
  }
};

std::string Send(TcpEndpoint& endpoint, const std::string& text, int flags = 0) {
  BufferSource source(std::as_bytes(std::span(text)));
  SendRequest request{source, flags};
  const auto n = endpoint.Send(request);
  return n.ok() ? std::to_string(*n) : strerrorname_np(n.error().value());
}

std::string Receive(TcpEndpoint& endpoint, int flags = 0) {
  std::string text(100, '\0');
  BufferSink sink(std::as_writable_bytes(std::span(text)));
  ReceiveRequest request{sink, flags};
  const auto n = endpoint.Receive(request);
  return n.ok() ? text.substr(0, *n) : strerrorname_np(n.error().value());
}

TEST(TcpEndpoint, CarriesBytesBothWays) {
  Connection c;
  EXPECT_EQ(Send(*c.client, "ping"), "4");
  EXPECT_EQ(Receive(*c.server), "ping");
  EXPECT_EQ(Send(*c.server, "pong"), "4");
  EXPECT_EQ(Receive(*c.client), "pong");
  EXPECT_EQ(Receive(*c.client), "EAGAIN");
  EXPECT_EQ(c.client->remote()->port, c.server->local().port);
  EXPECT_EQ(c.server->remote()->port, c.client->local().port);
}

TEST(TcpEndpoint, ConnectingNowhereIsRefused) {
  Endpoint listener = NewListener();
  const IpEndpoint to = listener->local();
  listener->Close(false);
  Endpoint client = New();
  EXPECT_EQ(ConnectTo(*client, to), ECONNREFUSED);
  EXPECT_EQ(ConnectTo(*client, to, true), EINPROGRESS);
  EXPECT_EQ(client->TakeError(), ECONNREFUSED);
  EXPECT_EQ(ConnectTo(*client, {IpAddress::V4(0x08080808), 80}), ECONNABORTED);  // what in-progress left
  EXPECT_EQ(ConnectTo(*client, {IpAddress::V4(0x08080808), 80}), ENETUNREACH);
  client->Close(false);
}

TEST(TcpEndpoint, NonBlockingConnectIsInProgressOnce) {
  Endpoint listener = NewListener();
  Endpoint client = New();
  EXPECT_EQ(ConnectTo(*client, listener->local(), true), EINPROGRESS);
  EXPECT_EQ(client->Readiness(), EventMask{EPOLLOUT | EPOLLWRNORM});
  EXPECT_EQ(ConnectTo(*client, listener->local(), true), 0);
  EXPECT_EQ(ConnectTo(*client, listener->local(), true), EISCONN);
  client->Close(false);
  listener->Close(false);
}

TEST(TcpEndpoint, FullBacklogMakesClientsWait) {
  Endpoint listener = NewListener(0);
  Endpoint first = New(), second = New();
  EXPECT_EQ(ConnectTo(*first, listener->local()), 0);
  EXPECT_EQ(ConnectTo(*second, listener->local()), EAGAIN);
  EXPECT_EQ(second->state(), TCP_SYN_SENT);
  auto accepted = listener->Accept();
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(ConnectTo(*second, listener->local()), 0);
  (*accepted)->Close(false);
  listener->Close(false);
  EXPECT_EQ(Receive(*second), "ECONNRESET");
  first->Close(false);
  second->Close(false);
}

// Connecting costs a descriptor; what is left of it when that is closed must not pile up.
TEST(TcpEndpoint, ClientsThatLeaveAFullBacklogAreForgotten) {
  Endpoint listener = NewListener(0);
  Endpoint first = New();
  EXPECT_EQ(ConnectTo(*first, listener->local()), 0);
  for (int i = 0; i < 1000; ++i) {
    Endpoint client = New();
    EXPECT_EQ(ConnectTo(*client, listener->local(), true), EINPROGRESS);
    client->Close(false);
  }
  EXPECT_LT(listener->clients_waiting(), 200u);
  listener->Close(false);
  first->Close(false);
}

TEST(TcpEndpoint, HalfCloseThenClose) {
  Connection c;
  ASSERT_TRUE(c.client->Shutdown(SHUT_WR).ok());
  EXPECT_EQ(Send(*c.client, "x"), "EPIPE");
  EXPECT_EQ(Receive(*c.server), "");
  EXPECT_EQ(c.server->state(), TCP_CLOSE_WAIT);
  EXPECT_EQ(c.client->state(), TCP_FIN_WAIT2);
  EXPECT_EQ(Send(*c.server, "late"), "4");
  EXPECT_EQ(Receive(*c.client), "late");
  ASSERT_TRUE(c.server->Shutdown(SHUT_WR).ok());
  EXPECT_EQ(Receive(*c.client), "");
  EXPECT_TRUE(c.client->Readiness() & EPOLLHUP);
}

TEST(TcpEndpoint, UnreadDataMeansReset) {
  Connection c;
  Send(*c.client, "unread");
  c.server->Close(false);
  EXPECT_TRUE(c.client->Readiness() & EPOLLERR);
  EXPECT_EQ(Receive(*c.client), "ECONNRESET");
  EXPECT_EQ(Receive(*c.client), "");
}

TEST(TcpEndpoint, WritingToAClosedPeerBreaksTheSecondTime) {
  Connection c;
  c.server->Close(false);
  EXPECT_EQ(Receive(*c.client), "");
  EXPECT_EQ(Send(*c.client, "x"), "1");
  EXPECT_EQ(Send(*c.client, "x"), "EPIPE");
}

TEST(PortTable, KeepsListenersApart) {
  Endpoint listener = NewListener();
  PortClaim claim = ClaimOf(listener->local().port);
  Endpoint other = New();
  EXPECT_EQ(other->Bind(claim).error(), Errno(EADDRINUSE));
  claim.reuse_address = true;
  EXPECT_EQ(other->Bind(claim).error(), Errno(EADDRINUSE));
  claim.local.address = IpAddress::V4(0x7f000002);
  EXPECT_TRUE(other->Bind(claim).ok());
  EXPECT_EQ(other->Bind(claim).error(), Errno(EINVAL));
  other->Close(false);
  listener->Close(false);
}

}  // namespace
}  // namespace runsc
