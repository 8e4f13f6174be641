// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error. Everything that can fail because of something outside the process
// returns one; exceptions do not cross a module's interface. The only file that names tl::expected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace tetrarch {

/// The closed error vocabulary. Each dialect has one tested table from Code to its status and
/// reason.
enum class Code : std::uint8_t {
  invalid,    ///< the request is well formed but not allowed by the schema or a rule (422)
  malformed,  ///< the request cannot be read (400)
  not_found,
  already_exists,
  conflict,      ///< stale resource version or competing write
  precondition,  ///< a stated precondition (uid, version) does not hold
  unauthenticated,
  forbidden,
  exhausted,  ///< too many or too large (429, 413)
  too_large,
  expired,      ///< the asked-for revision is compacted; relist (410)
  unsupported,  ///< media type, verb or protocol is not served (405, 406, 415)
  unavailable,
  timeout,
  cancelled,
  unimplemented,
  internal,
};

std::string_view to_string(Code code);

/// One field at fault. `reason` is the machine-readable cause that Kubernetes clients switch on
/// (FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, FieldValueDuplicate …).
struct FieldError {
  std::string reason;
  std::string message;
  std::string field;  ///< path such as spec.containers[0].name
  bool operator==(const FieldError&) const = default;
};

/// What went wrong, in words that a dialect can hand to its client as they are.
struct Error {
  Code code = Code::internal;
  std::string message;
  std::vector<FieldError> fields = {};
  int retry_after_s = 0;  ///< 0: none

  Error() = default;

  Error(Code c, std::string text) : code(c), message(std::move(text)) {}

  Error(Code c, std::string text, std::vector<FieldError> at)
      : code(c), message(std::move(text)), fields(std::move(at)) {}

  bool operator==(const Error&) const = default;
};

/// The empty success value.
struct Unit {
  bool operator==(const Unit&) const = default;
};

/// A value or an Error; must be looked at. Converts from both, so `return value;` and `return
/// Error{…};` work.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::move(value)) {}  // NOLINT: implicit on purpose

  Result(Error error)
      : state_(tl::make_unexpected(std::move(error))) {}  // NOLINT: implicit on purpose

  bool ok() const { return state_.has_value(); }

  explicit operator bool() const { return ok(); }

  T& value() & { return *state_; }

  const T& value() const& { return *state_; }

  T&& value() && { return std::move(*state_); }

  T& operator*() & { return *state_; }

  const T& operator*() const& { return *state_; }

  T&& operator*() && { return std::move(*state_); }

  T* operator->() { return &*state_; }

  const T* operator->() const { return &*state_; }

  Error& error() & { return state_.error(); }

  const Error& error() const& { return state_.error(); }

  Error&& error() && { return std::move(state_.error()); }

  T value_or(T fallback) const& { return state_.value_or(std::move(fallback)); }

 private:
  tl::expected<T, Error> state_;
};

/// Success or an Error, where there is no value. `return ok();` on success.
using Status = Result<Unit>;

inline Status ok() {
  return Status{Unit{}};
}

}  // namespace tetrarch

#define TETRARCH_CONCAT_(a, b) a##b
#define TETRARCH_CONCAT(a, b) TETRARCH_CONCAT_(a, b)
#define TETRARCH_TRY_(name, keyword, declaration, expression) \
  auto name = (expression);                                   \
  if (!name.ok()) {                                           \
    keyword std::move(name).error();                          \
  }                                                           \
  declaration = std::move(name).value()
#define TETRARCH_CHECKED_(name, keyword, expression) \
  if (auto name = (expression); !name.ok()) {        \
    keyword std::move(name).error();                 \
  }                                                  \
  static_assert(true)

/// `TRY(auto plan, schedule(view));` declares plan, or returns the error.
#define TRY(declaration, ...) \
  TETRARCH_TRY_(TETRARCH_CONCAT(try_result_, __COUNTER__), return, declaration, __VA_ARGS__)
/// `TRY_STATUS(check(x));` returns the error, if any.
#define TRY_STATUS(...) \
  TETRARCH_CHECKED_(TETRARCH_CONCAT(try_status_, __COUNTER__), return, __VA_ARGS__)
/// The same in coroutines: `CO_TRY(auto rev, co_await store.commit(txn));`
#define CO_TRY(declaration, ...) \
  TETRARCH_TRY_(TETRARCH_CONCAT(try_result_, __COUNTER__), co_return, declaration, __VA_ARGS__)
#define CO_TRY_STATUS(...) \
  TETRARCH_CHECKED_(TETRARCH_CONCAT(try_status_, __COUNTER__), co_return, __VA_ARGS__)
