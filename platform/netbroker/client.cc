// Requests to the network broker, one at a time.
#include "platform/netbroker/client.h"

#include <cstring>
#include <span>

#include "platform/netbroker/message.h"

namespace runsc {
namespace {

BrokerRequest Ask(BrokerOp op, int a = 0, int b = 0, int c = 0) { return {op, {a, b, c}, 0}; }

}  // namespace

bool NetBroker::Send(const BrokerRequest& request, std::string_view bytes, int socket) {
  return SendPacket(channel_.get(), std::as_bytes(std::span(&request, 1)), std::as_bytes(std::span(bytes)), socket);
}

Result<NetBroker::Answer> NetBroker::Receive() {
  std::byte buffer[sizeof(BrokerReply) + kBrokerMaxBytes];
  Answer answer;
  const long n = ReceivePacket(channel_.get(), buffer, &answer.fd);
  BrokerReply reply;
  if (n < static_cast<long>(sizeof(reply))) return Errno(EIO);
  std::memcpy(&reply, buffer, sizeof(reply));
  if (reply.size != static_cast<size_t>(n) - sizeof(reply)) return Errno(EIO);
  if (reply.error < 0 || reply.error >= 4096) return Errno(EIO);
  if (reply.error != 0) return Errno(reply.error);
  answer.bytes.assign(reinterpret_cast<const char*>(buffer) + sizeof(reply), reply.size);
  return answer;
}

Result<NetBroker::Answer> NetBroker::Call(BrokerRequest request, std::string_view bytes, int socket) {
  if (bytes.size() > kBrokerMaxBytes) return Errno(EINVAL);
  request.size = static_cast<uint32_t>(bytes.size());
  MutexLock l(mu_);
  if (!Send(request, bytes, socket)) return Errno(EIO);
  return Receive();
}

Result<void> NetBroker::CallPlain(BrokerRequest request, std::string_view bytes, int socket) {
  TRY(Call(request, bytes, socket));
  return {};
}

Result<UniqueFd> NetBroker::Socket(int domain, int type, int protocol) {
  Answer answer = TRY(Call(Ask(BrokerOp::kSocket, domain, type, protocol), {}, -1));
  return answer.fd.valid() ? Result<UniqueFd>(std::move(answer.fd)) : Errno(EIO);
}

Result<UniqueFd> NetBroker::RouteSocket() {
  Answer answer = TRY(Call(Ask(BrokerOp::kRoute), {}, -1));
  return answer.fd.valid() ? Result<UniqueFd>(std::move(answer.fd)) : Errno(EIO);
}

Result<void> NetBroker::Bind(int socket, std::string_view address) {
  return CallPlain(Ask(BrokerOp::kBind), address, socket);
}

Result<void> NetBroker::Connect(int socket, std::string_view address) {
  return CallPlain(Ask(BrokerOp::kConnect), address, socket);
}

Result<void> NetBroker::Listen(int socket, int backlog) {
  return CallPlain(Ask(BrokerOp::kListen, backlog), {}, socket);
}

Result<void> NetBroker::Shutdown(int socket, int how) { return CallPlain(Ask(BrokerOp::kShutdown, how), {}, socket); }

Result<std::string> NetBroker::GetName(int socket) { return TRY(Call(Ask(BrokerOp::kGetName), {}, socket)).bytes; }
Result<std::string> NetBroker::GetPeer(int socket) { return TRY(Call(Ask(BrokerOp::kGetPeer), {}, socket)).bytes; }

Result<void> NetBroker::SetOption(int socket, int level, int name, std::string_view value) {
  return CallPlain(Ask(BrokerOp::kSetOption, level, name), value, socket);
}

Result<std::string> NetBroker::Interface(unsigned request, std::string_view ifreq) {
  return TRY(Call(Ask(BrokerOp::kInterface, static_cast<int>(request)), ifreq, -1)).bytes;
}

}  // namespace runsc
