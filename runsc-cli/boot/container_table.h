// The containers of a sandbox by id, and what the control socket may ask of them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runsc-cli/boot/guest_container.h"
#include "runsc-cli/control/server.h"

namespace runsc {

class ContainerTable : public ControlHandler {
 public:
  explicit ContainerTable(SandboxParts& sandbox) : sandbox_(sandbox) {}
  void AddFirst(std::shared_ptr<GuestContainer> container);

  absl::Status Create(const CreateRequest& request, std::vector<UniqueFd> fds) override;
  absl::Status Start(const std::string& container) override;
  absl::StatusOr<ExecReply> Exec(const ExecRequest& request, std::vector<UniqueFd> fds) override;
  absl::Status Signal(const SignalRequest& request) override;
  absl::StatusOr<WaitReply> Wait(const WaitRequest& request) override;
  absl::StatusOr<StateReply> State(const std::string& container) override;
  absl::StatusOr<ProcessesReply> Processes(const std::string& container) override;
  absl::Status Pause(const PauseRequest& request) override;
  absl::Status Limit(const LimitRequest& request) override;
  absl::StatusOr<FamilyReply> MakeFamily(const std::string& container) override;
  absl::StatusOr<TasksReply> Tasks(const std::string& container) override;
  absl::Status Strace(const StraceRequest& request, std::vector<UniqueFd> fds) override;
  absl::Status Destroy(const std::string& container) override;

 private:
  absl::StatusOr<std::shared_ptr<GuestContainer>> Find(const std::string& id);
  void DropFamily(const std::string& id);
  absl::Status CreateNew(const CreateRequest& request, ContainerParts parts);

  SandboxParts& sandbox_;
  std::mutex mu_;
  int next_number_ = 1;  // the first container's is 0
  std::map<std::string, std::shared_ptr<GuestContainer>> containers_;
  std::map<std::string, std::shared_ptr<AddressSpaceFamily>> families_;  // of containers not made yet
  // Files of theirs may still be open elsewhere (passed over a socket) and refer to their gofer clients, which are
  // disconnected: every call on such a file fails.
  std::vector<std::shared_ptr<GuestContainer>> destroyed_;
};

}  // namespace runsc
