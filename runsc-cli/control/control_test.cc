// Unit tests of control messages, sockets and the server.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "runsc-cli/base/text.h"
#include "runsc-cli/control/server.h"

namespace runsc {
namespace {

class FakeSandbox : public ControlHandler {
 public:
  absl::Status Create(const CreateRequest& request, std::vector<UniqueFd> fds) override {
    created = request.container;
    for (const UniqueFd& fd : fds) char_received |= write(fd.get(), "x", 1) == 1;
    return absl::OkStatus();
  }
  absl::Status Start(const std::string&) override {
    return started++ == 0 ? absl::OkStatus() : absl::FailedPreconditionError("already started");
  }
  absl::StatusOr<ExecReply> Exec(const ExecRequest&, std::vector<UniqueFd>) override { return ExecReply{17}; }
  absl::Status Signal(const SignalRequest& request) override {
    if (request.pid != 0) return absl::NotFoundError(std::string(kMaxControlBody + 1, '?'));
    last_signal = request.signo;
    return absl::OkStatus();
  }
  absl::StatusOr<WaitReply> Wait(const WaitRequest&) override { return WaitReply{7 << 8}; }
  absl::StatusOr<StateReply> State(const std::string&) override { return StateReply{ContainerPhase::kRunning, true}; }
  absl::StatusOr<ProcessesReply> Processes(const std::string&) override {
    if (crowd > 0) return ProcessesReply{std::vector<ProcessInfo>(crowd, {5, 1, 8, 1000, 0, -1, "sh"})};
    return ProcessesReply{{{1, 0, 7, 0, 5, 6, "init"}, {5, 1, 8, 1000, 0, -1, "sh"}}};
  }
  absl::Status Pause(const PauseRequest&) override { return absl::OkStatus(); }
  absl::Status Limit(const LimitRequest&) override { return absl::OkStatus(); }
  absl::StatusOr<FamilyReply> MakeFamily(const std::string&) override { return FamilyReply{7}; }
  absl::StatusOr<TasksReply> Tasks(const std::string&) override { return TasksReply{}; }
  absl::Status Strace(const StraceRequest&, std::vector<UniqueFd>) override { return absl::OkStatus(); }
  absl::Status Destroy(const std::string&) override { return absl::OkStatus(); }
  int started = 0, last_signal = 0, crowd = 0;
  std::string created;
  bool char_received = false;
};

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    // Longer than sun_path.
    char pattern[] = "/tmp/runsc-control-XXXXXX";
    root_ = mkdtemp(pattern);
    const std::string deep = root_ + "/" + std::string(200, 'x');
    mkdir(deep.c_str(), 0700);
    directory_.reset(open(deep.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~ControlTest() override { (void)!system(("rm -rf " + root_).c_str()); }

  // Serves in a thread of the process, for as long as the process lives.
  FakeSandbox* StartServer(uid_t owner) {
    auto* handler = new FakeSandbox;
    auto* server = new ControlServer(*BindControlSocket(directory_.get()), owner, *handler);
    std::thread([server] { server->Serve(); }).detach();
    return handler;
  }
  std::string root_;
  UniqueFd directory_;
};

TEST_F(ControlTest, AnswersEveryRequest) {
  FakeSandbox* sandbox = StartServer(getuid());
  absl::StatusOr<ControlChannel> channel = ConnectControlSocket(directory_.get());
  ASSERT_TRUE(channel.ok()) << channel.status();
  const std::string c1 = ToWire(ContainerRequest{"c1"});
  EXPECT_TRUE(channel->Call(ControlType::kStart, c1).ok());
  EXPECT_EQ(MessageOf(channel->Call(ControlType::kStart, c1).status()), "already started");
  EXPECT_TRUE(channel->Call(ControlType::kSignal, ToWire(SignalRequest{"c1", 0, 15, false})).ok());
  EXPECT_EQ(sandbox->last_signal, 15);
  EXPECT_TRUE(
      absl::IsNotFound(channel->Call(ControlType::kSignal, ToWire(SignalRequest{"c1", 9, 15, false})).status()));
  const auto processes = channel->CallFor<ProcessesReply>(ControlType::kProcesses, c1);
  ASSERT_TRUE(processes.ok()) << processes.status();
  ASSERT_EQ(processes->processes.size(), 2u);
  EXPECT_EQ(processes->processes[1].name, "sh");
  EXPECT_EQ(processes->processes[1].start_ns, -1);
  EXPECT_EQ(channel->CallFor<WaitReply>(ControlType::kWait, ToWire(WaitRequest{"c1", 0}))->wait_status, 7 << 8);
  EXPECT_TRUE(channel->CallFor<StateReply>(ControlType::kState, c1)->paused);
}

TEST_F(ControlTest, SendsLongRepliesInPieces) {
  FakeSandbox* sandbox = StartServer(getuid());
  ControlChannel channel = *ConnectControlSocket(directory_.get());
  const std::string c1 = ToWire(ContainerRequest{"c1"});
  for (int crowd : {1, 1500, 100'000}) {
    sandbox->crowd = crowd;
    const auto reply = channel.CallFor<ProcessesReply>(ControlType::kProcesses, c1);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->processes.size(), static_cast<size_t>(crowd));
    EXPECT_EQ(reply->processes.back().name, "sh");
  }
  const absl::Status refused = channel.Call(ControlType::kSignal, ToWire(SignalRequest{"c1", 9, 15, false})).status();
  EXPECT_EQ(MessageOf(refused), std::string(kMaxControlError, '?'));
}

TEST_F(ControlTest, PassesDescriptors) {
  FakeSandbox* sandbox = StartServer(getuid());
  ControlChannel channel = *ConnectControlSocket(directory_.get());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const int fds[] = {write_end.get(), write_end.get()};
  ASSERT_TRUE(channel.Call(ControlType::kCreate, ToWire(CreateRequest{.container = "c2"}), fds).ok());
  write_end.reset();
  EXPECT_EQ(sandbox->created, "c2");
  char bytes[4];
  EXPECT_EQ(read(read_end.get(), bytes, sizeof(bytes)), 2);
  EXPECT_EQ(read(read_end.get(), bytes, sizeof(bytes)), 0) << "the server keeps descriptors";
  EXPECT_FALSE(channel.Send({ControlType::kCreate, 0, std::string(kMaxControlBody + 1, 'x'), {}}).ok());
}

TEST(Wire, IsExact) {
  const std::string bytes = ToWire(SignalRequest{"c", -1, 9, true});
  const auto back = FromWire<SignalRequest>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->container, "c");
  EXPECT_EQ(back->pid, -1);
  EXPECT_TRUE(back->all);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(FromWire<SignalRequest>(bytes.substr(0, size)));
  EXPECT_FALSE(FromWire<SignalRequest>(bytes + "x"));
  // Lengths and numbers that cannot be.
  EXPECT_FALSE(FromWire<ContainerRequest>(std::string(8, '\xff')));
  EXPECT_FALSE(FromWire<ProcessesReply>(std::string(8, '\x7f')));
  EXPECT_FALSE(FromWire<ExecReply>(std::string("\0\0\0\0\1\0\0\0", 8)));
}

TEST_F(ControlTest, RefusesMalformedAndUnknownRequests) {
  StartServer(getuid());
  ControlChannel channel = *ConnectControlSocket(directory_.get());
  EXPECT_FALSE(channel.Call(ControlType::kSignal, "short").ok());
  EXPECT_FALSE(channel.Call(static_cast<ControlType>(999)).ok());
  EXPECT_TRUE(channel.Call(ControlType::kState, ToWire(ContainerRequest{"c1"})).ok());  // the connection survived both
  for (std::string_view junk : {"x", "0123456789012345", "01234567890123456789"}) {
    ControlChannel bad = *ConnectControlSocket(directory_.get());
    ASSERT_EQ(send(bad.fd(), junk.data(), junk.size(), 0), static_cast<ssize_t>(junk.size()));
    EXPECT_TRUE(IsClosed(bad.Receive().status()));
  }
}

TEST_F(ControlTest, ServesItsOwnerOnly) {
  StartServer(getuid() + 1);
  ControlChannel channel = *ConnectControlSocket(directory_.get());
  EXPECT_FALSE(channel.Call(ControlType::kState, ToWire(ContainerRequest{"c1"})).ok());
}

TEST(ControlChannel, DetectsTruncatedAndOversizedMessages) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  ControlChannel ours{UniqueFd(pair[0])};
  UniqueFd theirs(pair[1]);
  ControlHeader header;
  header.body_size = 4;
  send(theirs.get(), &header, sizeof(header), 0);
  EXPECT_TRUE(absl::IsDataLoss(ours.Receive().status()));
  std::string big(sizeof(header) + kMaxControlPacket + 1, '\0');
  header.body_size = kMaxControlPacket + 1;
  memcpy(big.data(), &header, sizeof(header));
  send(theirs.get(), big.data(), big.size(), 0);
  EXPECT_TRUE(absl::IsDataLoss(ours.Receive().status()));
  // A first piece, and then one of something else, or an empty one.
  for (const uint16_t type : {7, 0}) {
    header = {};
    header.more = 1;
    send(theirs.get(), &header, sizeof(header), 0);
    header.type = type;
    send(theirs.get(), &header, sizeof(header), 0);
    EXPECT_TRUE(absl::IsDataLoss(ours.Receive().status())) << type;
  }
}

}  // namespace
}  // namespace runsc
