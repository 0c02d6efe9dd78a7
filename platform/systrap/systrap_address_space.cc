// See systrap_address_space.h.
#include "platform/systrap/systrap_address_space.h"

#include <cerrno>

#include "platform/stub/guest_memory.h"
#include "platform/systrap/systrap_context.h"
#include "platform/systrap/thread_ops.h"

namespace runsc::systrap {

using stub::StubProcess;

Result<AddressSpace::Forked> SystrapAddressSpace::Fork(Context&, const ThreadStart& start) {
  const uint32_t slot = TRY(engine_.slots().Allocate());
  SystrapContext::InitSlot(engine_, engine_.slots().piece(slot), slot, start, SystrapContext::SlotUse::kForkedThread);
  auto child = engine_.Fork(*process_, ForkedThreadOps(engine_.slots().fd(), engine_.slots().offset(slot), slot));
  if (!child.ok()) {
    engine_.slots().Free(slot);
    return child.error();
  }
  (*child)->AdoptSlot(slot);
  Forked forked;
  forked.address_space = std::make_unique<SystrapAddressSpace>(engine_, *child);
  forked.context = std::make_unique<SystrapContext>(engine_, *child, slot, start);
  return forked;
}

Result<std::unique_ptr<Context>> SystrapAddressSpace::NewContext(const ThreadStart& start) {
  if (!process_->alive()) return Errno(ESRCH);
  const StubProcess::Seat seat = TRY(process_->AcquireSeat());
  SystrapContext::InitSlot(
      engine_, process_->SlotMemory(seat.slot), seat.slot, start,
      seat.parked_tid ? SystrapContext::SlotUse::kParkedThread : SystrapContext::SlotUse::kNewThread);
  const int64_t tid = seat.parked_tid ? seat.parked_tid : TRY(StartHostThread(seat));
  auto context = std::make_unique<SystrapContext>(engine_, process_, seat.slot, start);
  if (!context->Started(tid)) return Errno(EAGAIN);
  return std::unique_ptr<Context>(std::move(context));
}

// After a failure the slot stays with the process, mapped or not: nobody else ever gets it.
Result<int64_t> SystrapAddressSpace::StartHostThread(const StubProcess::Seat& seat) {
  return RunForThread(ThreadOps(process_->slots_fd(), process_->SlotFileOffset(seat.slot), seat.slot, seat.mapped));
}

bool SystrapAddressSpace::ServeBreak(GuestAddr start, GuestAddr limit) {
  stub::InfoPage& info = process_->helper().info();
  info.break_limit = limit;
  info.break_start = start;
  return start != 0;
}

// The stub's word, as everything about its own memory.
GuestAddr SystrapAddressSpace::Break() {
  const GuestAddr start = process_->helper().info().break_start;
  GuestAddr now = 0;
  if (!stub::ReadLocal(process_->pid(), offsetof(stub::LocalPages, guest_break), &now, sizeof now)) return start;
  return now < start || now > GUEST_MAX_ADDR ? start : now;
}

}  // namespace runsc::systrap
