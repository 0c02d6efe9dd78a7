// Result<T>: the one way code that serves the guest reports failure: a value or a Linux errno.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

namespace runsc {

// A Linux error number, as the guest sees it (positive: EPERM is 1). Values 512 and above are the
// kernel's internal restart codes; only Task::Run resolves them and no guest ever sees one.
class Errno {
 public:
  constexpr explicit Errno(int value) : value_(value) {}
  constexpr int value() const { return value_; }
  friend constexpr bool operator==(Errno a, Errno b) { return a.value_ == b.value_; }

 private:
  int value_;
};

// Restart codes, as in Linux's include/linux/errno.h: what an interrupted call wants to happen.
inline constexpr Errno kRestartSys{512};     // restart if the handler has SA_RESTART, else EINTR
inline constexpr Errno kRestartNoIntr{513};  // always restart
inline constexpr Errno kRestartNoHand{514};  // restart only when no handler ran, else EINTR
inline constexpr Errno kRestartBlock{516};   // as NoHand, through Task's saved restart function

struct Unit {};

// A value or an Errno. Propagate failures with TRY.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: `return n;` reads as Linux does
  Result(Errno error) : error_(error) {}         // NOLINT
  bool ok() const { return value_.has_value(); }
  Errno error() const { return error_; }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T take() && { return std::move(*value_); }
  T value_or(T fallback) && { return ok() ? std::move(*value_) : std::move(fallback); }

 private:
  std::optional<T> value_;
  Errno error_{0};
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Errno error) : error_(error) {}  // NOLINT
  bool ok() const { return error_.value() == 0; }
  Errno error() const { return error_; }
  Unit take() && { return {}; }

 private:
  Errno error_{0};
};

// The value of a Result expression, or return its error from the enclosing function.
#define TRY(expression)                                \
  ({                                                   \
    auto try_result_ = (expression);                   \
    if (!try_result_.ok()) return try_result_.error(); \
    std::move(try_result_).take();                     \
  })

// What a host system call wrapper's -1/errno convention means as a Result.
template <typename T>
Result<T> FromHost(T rv) {
  if (rv < 0) return Errno(errno);
  return rv;
}

}  // namespace runsc
