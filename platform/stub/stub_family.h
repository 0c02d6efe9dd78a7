// Pristine stubs of one ancestor: what the host counts for it, its cgroup and its OOM adjustment, they inherit.
#pragma once

#include <memory>
#include <mutex>

#include "platform/stub/stub_pool.h"
#include "platform/stub/stub_process.h"

namespace runsc::stub {

class Engine;

class StubFamily {
 public:
  StubFamily(Engine& engine, std::shared_ptr<StubProcess> ancestor) : engine_(engine), ancestor_(std::move(ancestor)) {}
  ~StubFamily();  // ends the ancestor and what was made ahead; those given away live on

  // Begins to make stubs ahead of need. Otherwise the first NewProcess does, as the ancestor must be in its place.
  void StartPool();
  // A pristine address space with no guest thread. Thread-safe.
  Result<std::shared_ptr<StubProcess>> NewProcess();
  StubProcess& ancestor() const { return *ancestor_; }

 private:
  Engine& engine_;
  const std::shared_ptr<StubProcess> ancestor_;
  std::once_flag pool_started_;
  StubPool pool_;
};

}  // namespace runsc::stub
