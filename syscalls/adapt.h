// Turns a typed handler into a table entry: the one place where registers become arguments.
#pragma once

#include <type_traits>
#include <utility>

#include "sentry/kernel/syscall_table.h"

namespace runsc {

// A handler's parameter from its register: truncated to its width, as Linux does.
template <typename T>
T FromRegister(uint64_t value) {
  static_assert(std::is_integral_v<T>);
  return static_cast<T>(value);
}

template <typename... A, size_t... I>
SyscallResult CallWithRegisters(SyscallResult (*handler)(Task&, A...), Task& task, const SyscallRequest& request,
                                std::index_sequence<I...>) {
  return handler(task, FromRegister<A>(request.args[I])...);
}

template <auto kHandler>
struct Adapter;

template <typename... A, SyscallResult (*kHandler)(Task&, A...)>
struct Adapter<kHandler> {
  static_assert(sizeof...(A) <= 6);
  static SyscallResult Call(Task& task, const SyscallRequest& request) {
    return CallWithRegisters(kHandler, task, request, std::index_sequence_for<A...>());
  }
};

}  // namespace runsc
