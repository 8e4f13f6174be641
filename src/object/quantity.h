// SPDX-License-Identifier: Apache-2.0
// Quantity: an amount of a resource as Kubernetes writes it: "100m", "1.5Gi", "1e3". Exact to one
// billionth (finer amounts are rounded up, away from zero); saturates at ±5·10^28.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "object/document.h"

namespace tetrarch::object {

/// A value: copy freely. Parsing and arithmetic do not allocate (an Error does).
class Quantity {
 public:
  enum class Format : std::uint8_t { decimal_si, binary_si, decimal_exponent };

  constexpr Quantity() = default;
  /// Error (Code::invalid): the sentence of a kube-apiserver.
  static Result<Quantity> parse(std::string_view text);
  /// Of a string or a number; absent or null: zero.
  static Result<Quantity> from(View view);
  static Quantity of_value(std::int64_t value, Format format = Format::decimal_si);
  static Quantity of_milli(std::int64_t milli);

  /// Whole units, rounded up (away from zero); saturates.
  std::int64_t value() const;
  /// Thousandths, rounded up (away from zero); saturates.
  std::int64_t milli_value() const;
  double as_double() const;
  /// Canonical text: no fraction, the largest unit that is exact.
  std::string text() const;

  Format format() const { return format_; }

  bool is_zero() const { return nano_ == 0; }

  bool is_negative() const { return nano_ < 0; }

  Quantity& operator+=(const Quantity& other);
  Quantity& operator-=(const Quantity& other);

  friend Quantity operator+(Quantity a, const Quantity& b) { return a += b; }

  friend Quantity operator-(Quantity a, const Quantity& b) { return a -= b; }

  /// By amount alone: "1Gi" equals "1024Mi".
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
    return a.nano_ <=> b.nano_;
  }

  friend bool operator==(const Quantity& a, const Quantity& b) { return a.nano_ == b.nano_; }

 private:
  __extension__ using Wide = __int128;

  constexpr Quantity(Wide nano, Format format) : nano_(nano), format_(format) {}

  std::int64_t divided_up(std::int64_t divisor) const;

  Wide nano_ = 0;  ///< billionths
  Format format_ = Format::decimal_si;
};

/// The value of a quantity that is known to be valid (it passed admission); 0 where it is not.
std::int64_t value_of(View quantity);
std::int64_t milli_value_of(View quantity);

}  // namespace tetrarch::object
