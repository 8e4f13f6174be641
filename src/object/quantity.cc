// SPDX-License-Identifier: Apache-2.0
#include "object/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace tetrarch::object {
namespace {

__extension__ using Wide = __int128;
__extension__ using Natural = unsigned __int128;

// Source: Kubernetes apimachinery, pkg/api/resource/quantity.go, v0.34: the three sentences and the
// order of checks.
constexpr std::string_view kFormatWrong =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view kSuffixWrong = "unable to parse quantity's suffix";

constexpr int kNanoDigits = 9;
constexpr int kPowerMax = 37;

constexpr auto kPowersOfTen = [] {
  std::array<Natural, kPowerMax + 1> out{};
  Natural power = 1;
  for (auto& slot : out) {
    slot = power;
    power *= 10;
  }
  return out;
}();

/// Two of these can be added without overflow.
constexpr Natural kNanoMax = 5 * kPowersOfTen[kPowerMax];

struct Scanned {
  bool is_negative = false;
  Natural digits = 0;          ///< without the point
  int exponent = 0;            ///< what is meant is digits · 10^exponent …
  bool has_remainder = false;  ///< … and a little more
  std::string_view suffix;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads digits into `out`; what does not fit (past 36 digits) is dropped, remembered in
/// has_remainder.
void take_digits(std::string_view& text, Scanned& out, bool is_fraction) {
  while (!text.empty() && is_digit(text.front())) {
    const auto digit = static_cast<unsigned>(text.front() - '0');
    if (out.digits < kPowersOfTen[35]) {
      out.digits = out.digits * 10 + digit;
      out.exponent -= is_fraction ? 1 : 0;
    } else {
      out.has_remainder |= digit != 0;
      out.exponent += is_fraction ? 0 : 1;
    }
    text.remove_prefix(1);
  }
}

/// Splits sign, number and suffix; nullopt: not of the form that kFormatWrong states.
std::optional<Scanned> scan(std::string_view text) {
  Scanned out;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    out.is_negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const auto number_size = text.size();
  take_digits(text, out, false);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    take_digits(text, out, true);
  }
  if (text.size() == number_size) {
    return std::nullopt;
  }
  out.suffix = text;
  const auto letters_end = std::min(text.find_first_not_of("eEinumkKMGTP"), text.size());
  text.remove_prefix(letters_end);
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    text.remove_prefix(1);
  }
  if (!std::all_of(text.begin(), text.end(), is_digit)) {
    return std::nullopt;
  }
  return out;
}

struct Unit {
  Quantity::Format format;
  int exponent;  ///< of 2 for binary_si, else of 10
};

// Source: Kubernetes apimachinery, pkg/api/resource/suffix.go.
std::optional<Unit> unit_of(std::string_view suffix) {
  constexpr std::string_view kDecimal = "num?kMGTPE";  // 10^-9 … 10^18 in steps of 3
  constexpr std::string_view kBinary = "KMGTPE";       // 2^10 … 2^60 in steps of 10
  using Format = Quantity::Format;
  if (suffix.empty()) {
    return Unit{Format::decimal_si, 0};
  }
  if (suffix.size() == 1) {
    const auto place = suffix == "?" ? std::string_view::npos : kDecimal.find(suffix[0]);
    if (place == std::string_view::npos) {
      return std::nullopt;
    }
    return Unit{Format::decimal_si, static_cast<int>(place) * 3 - kNanoDigits};
  }
  if (suffix.size() == 2 && suffix[1] == 'i') {
    const auto place = kBinary.find(suffix[0]);
    if (place == std::string_view::npos) {
      return std::nullopt;
    }
    return Unit{Format::binary_si, static_cast<int>(place) * 10 + 10};
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') {
    return std::nullopt;
  }
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  int exponent = 0;
  const auto [rest, error] =
      std::from_chars(suffix.data(), suffix.data() + suffix.size(), exponent);
  if (error == std::errc::invalid_argument || rest != suffix.data() + suffix.size()) {
    return std::nullopt;
  }
  constexpr int kExponentMax = 1000;  // beyond it everything saturates, or is one billionth
  const bool is_out_of_range = error == std::errc::result_out_of_range;
  exponent = is_out_of_range ? (suffix[0] == '-' ? -kExponentMax : kExponentMax) : exponent;
  return Unit{Format::decimal_exponent, std::clamp(exponent, -kExponentMax, kExponentMax)};
}

/// digits · 10^exponent, rounded up; at most kNanoMax.
Natural scaled(Natural digits, int exponent, bool has_remainder) {
  if (exponent >= 0) {
    for (; exponent > 0 && digits != 0; --exponent) {
      if (digits > kNanoMax / 10) {
        return kNanoMax;
      }
      digits *= 10;
    }
  } else if (exponent < -kPowerMax) {
    has_remainder |= digits != 0;
    digits = 0;
  } else {
    const Natural divisor = kPowersOfTen[static_cast<std::size_t>(-exponent)];
    has_remainder |= digits % divisor != 0;
    digits /= divisor;
  }
  return std::min<Natural>(digits + (has_remainder ? 1 : 0), kNanoMax);
}

/// The billionths of number · 2^shift, rounded up; capped as Kubernetes caps it.
Natural scaled_binary(Scanned number, int shift) {
  constexpr Natural kCap = static_cast<Natural>(std::numeric_limits<std::int64_t>::max());
  constexpr int kFractionMax = 18;
  if (number.exponent > 0) {
    return kCap * kPowersOfTen[kNanoDigits];
  }
  for (; number.exponent < -kPowerMax && number.digits != 0; ++number.exponent) {
    number.has_remainder |= number.digits % 10 != 0;
    number.digits /= 10;
  }
  const int places = std::min(-number.exponent, kPowerMax);
  const Natural divisor = kPowersOfTen[static_cast<std::size_t>(places)];
  const Natural whole = number.digits / divisor;
  if (whole > (kCap >> shift)) {
    return kCap * kPowersOfTen[kNanoDigits];
  }
  Natural fraction = number.digits % divisor;
  int fraction_places = places;
  bool has_remainder = number.has_remainder;
  if (places > kFractionMax) {
    const Natural excess = kPowersOfTen[static_cast<std::size_t>(places - kFractionMax)];
    has_remainder |= fraction % excess != 0;
    fraction /= excess;
    fraction_places = kFractionMax;
  }
  const Natural part = scaled(fraction << shift, kNanoDigits - fraction_places, has_remainder);
  return std::min((whole << shift) * kPowersOfTen[kNanoDigits] + part,
                  kCap * kPowersOfTen[kNanoDigits]);
}

Wide clamped(Wide nano) {
  constexpr Wide kMax = static_cast<Wide>(kNanoMax);
  return std::clamp(nano, -kMax, kMax);
}

std::string decimal_text(Wide value) {
  std::array<char, 48> buffer{};
  auto at = buffer.end();
  const bool is_negative = value < 0;
  for (Natural rest = static_cast<Natural>(is_negative ? -value : value); rest != 0; rest /= 10) {
    *--at = static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  if (is_negative) {
    *--at = '-';
  }
  return {at, buffer.end()};
}

}  // namespace

Result<Quantity> Quantity::parse(std::string_view text) {
  const auto number = scan(text);
  if (!number) {
    return Error{Code::invalid, std::string(kFormatWrong)};
  }
  const auto unit = unit_of(number->suffix);
  if (!unit) {
    return Error{Code::invalid, std::string(kSuffixWrong)};
  }
  Format format = unit->format;
  Natural nano = 0;
  if (number->digits == 0 && !number->has_remainder) {
    nano = 0;
  } else if (format == Format::binary_si) {
    nano = scaled_binary(*number, unit->exponent);
    format = nano < kPowersOfTen[kNanoDigits] ? Format::decimal_si : format;
  } else {
    nano = scaled(
        number->digits, number->exponent + unit->exponent + kNanoDigits, number->has_remainder);
  }
  const Wide magnitude = static_cast<Wide>(nano);
  return Quantity(number->is_negative ? -magnitude : magnitude, format);
}

Result<Quantity> Quantity::from(View view) {
  if (!view) {
    return Quantity();
  }
  return parse(view.is_number() ? view.raw() : view.string());
}

Quantity Quantity::of_value(std::int64_t value, Format format) {
  return Quantity(static_cast<Wide>(value) * 1'000'000'000, format);
}

Quantity Quantity::of_milli(std::int64_t milli) {
  return Quantity(static_cast<Wide>(milli) * 1'000'000, Format::decimal_si);
}

std::int64_t Quantity::divided_up(std::int64_t divisor) const {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  Wide quotient = nano_ / divisor;
  if (nano_ % divisor != 0) {
    quotient += nano_ < 0 ? -1 : 1;
  }
  return static_cast<std::int64_t>(std::clamp<Wide>(quotient, -static_cast<Wide>(kMax) - 1, kMax));
}

std::int64_t Quantity::value() const {
  return divided_up(1'000'000'000);
}

std::int64_t Quantity::milli_value() const {
  return divided_up(1'000'000);
}

double Quantity::as_double() const {
  return static_cast<double>(nano_) / 1e9;
}

// Source: Kubernetes apimachinery, pkg/api/resource/quantity.go, CanonicalizeBytes.
std::string Quantity::text() const {
  if (nano_ == 0) {
    return "0";
  }
  constexpr Wide kOne = 1'000'000'000;
  const bool is_small = nano_ > -1024 * kOne && nano_ < 1024 * kOne;
  if (format_ == Format::binary_si && !is_small && nano_ % kOne == 0) {
    constexpr std::array<std::string_view, 7> kUnits = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    Wide value = nano_ / kOne;
    std::size_t unit = 0;
    for (; unit + 1 < kUnits.size() && value % 1024 == 0; ++unit) {
      value /= 1024;
    }
    return decimal_text(value) + std::string(kUnits[unit]);
  }
  constexpr std::array<std::string_view, 10> kUnits = {
      "n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
  Wide value = nano_;
  std::size_t unit = 0;
  for (; unit + 1 < kUnits.size() && value % 1000 == 0; ++unit) {
    value /= 1000;
  }
  if (format_ != Format::decimal_exponent) {
    return decimal_text(value) + std::string(kUnits[unit]);
  }
  const int exponent = static_cast<int>(unit) * 3 - kNanoDigits;
  return decimal_text(value) + (exponent == 0 ? "" : "e" + std::to_string(exponent));
}

Quantity& Quantity::operator+=(const Quantity& other) {
  format_ = is_zero() ? other.format_ : format_;
  nano_ = clamped(nano_ + other.nano_);
  return *this;
}

Quantity& Quantity::operator-=(const Quantity& other) {
  format_ = is_zero() ? other.format_ : format_;
  nano_ = clamped(nano_ - other.nano_);
  return *this;
}

std::int64_t value_of(View quantity) {
  return Quantity::from(quantity).value_or(Quantity()).value();
}

std::int64_t milli_value_of(View quantity) {
  return Quantity::from(quantity).value_or(Quantity()).milli_value();
}

}  // namespace tetrarch::object
