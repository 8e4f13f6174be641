// SPDX-License-Identifier: Apache-2.0
#include "object/index_set.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace tetrarch::object {

namespace {

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole ? std::optional(value) : std::nullopt;
}

Error fault(std::string message) {
  return Error{Code::malformed, std::move(message)};
}

Result<std::int64_t> index_in(std::string_view text, std::int64_t limit) {
  const auto value = number_in(text);
  if (!value) {
    return fault(fmt::format("cannot convert string to integer for index: \"{}\"", text));
  }
  if (*value >= limit) {
    return fault(fmt::format("too large index: \"{}\"", text));
  }
  return *value;
}

// Source: Kubernetes pkg/apis/batch/validation, validateIndexesFormat, v1.31.
Result<IndexSet::Interval> interval_in(std::string_view piece, std::int64_t limit) {
  const auto dash = piece.find('-');
  if (dash != piece.npos && piece.find('-', dash + 1) != piece.npos) {
    return fault(
        fmt::format("the fragment \"{}\" violates the requirement that an index interval can have "
                    "at most two parts separated by '-'",
                    piece));
  }
  TRY(const auto first, index_in(piece.substr(0, dash), limit));
  if (dash == piece.npos) {
    return IndexSet::Interval{first, first};
  }
  TRY(const auto last, index_in(piece.substr(dash + 1), limit));
  if (first >= last) {
    return fault(fmt::format("non-increasing order, previous: {}, current: {}", first, last));
  }
  return IndexSet::Interval{first, last};
}

std::vector<std::string_view> pieces_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    out.push_back(text.substr(0, comma));
    text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
  }
  return out;
}

}  // namespace

void IndexSet::append(Interval interval) {
  if (!intervals_.empty() && intervals_.back().last + 1 == interval.first) {
    intervals_.back().last = interval.last;
  } else {
    intervals_.push_back(interval);
  }
}

Result<IndexSet> IndexSet::parse(std::string_view text, std::int64_t limit) {
  IndexSet out;
  std::optional<std::int64_t> previous;
  for (const auto piece : pieces_of(text)) {
    TRY(const auto interval, interval_in(piece, limit));
    if (previous && *previous >= interval.first) {
      return fault(fmt::format(
          "non-increasing order, previous: {}, current: {}", *previous, interval.first));
    }
    out.append(interval);
    previous = interval.last;
  }
  return out;
}

IndexSet IndexSet::parse_leniently(std::string_view text, std::int64_t limit) {
  IndexSet out;
  for (const auto piece : pieces_of(text)) {
    const auto dash = piece.find('-');
    const auto first = number_in(piece.substr(0, dash));
    auto last = dash == piece.npos ? first : number_in(piece.substr(dash + 1));
    const bool is_in_order = first && last && *first >= 0 && *first < limit && *first <= *last &&
                             (out.intervals_.empty() || out.intervals_.back().last < *first);
    if (is_in_order) {
      out.append({*first, std::min(*last, limit - 1)});
    }
  }
  return out;
}

std::string IndexSet::text() const {
  std::string out;
  for (const auto& each : intervals_) {
    out += out.empty() ? "" : ",";
    out += fmt::format("{}", each.first);
    if (each.last > each.first) {
      out += each.last == each.first + 1 ? "," : "-";
      out += fmt::format("{}", each.last);
    }
  }
  return out;
}

bool IndexSet::contains(std::int64_t index) const {
  const auto at = std::lower_bound(
      intervals_.begin(), intervals_.end(), index, [](const Interval& each, std::int64_t value) {
        return each.last < value;
      });
  return at != intervals_.end() && at->first <= index;
}

std::int64_t IndexSet::count() const {
  std::int64_t out = 0;
  for (const auto& each : intervals_) {
    out += each.last - each.first + 1;
  }
  return out;
}

void IndexSet::add(std::int64_t index) {
  if (contains(index)) {
    return;
  }
  std::vector<Interval> before = std::move(intervals_);
  intervals_.clear();
  bool is_added = false;
  for (const auto& each : before) {
    if (!is_added && index < each.first) {
      append({index, index});
      is_added = true;
    }
    append(each);
  }
  if (!is_added) {
    append({index, index});
  }
}

}  // namespace tetrarch::object
