// SPDX-License-Identifier: Apache-2.0
#include "unitfile/glob.h"

#include <cstddef>
#include <optional>

namespace tetrarch::unitfile {
namespace {

/// One place of a pattern that stands for one character.
struct Step {
  bool is_match = false;
  std::size_t length = 0;  ///< of the pattern's text that it takes
};

/// The character at `at`, its backslash read; nothing where the pattern ends too early.
std::optional<char> literal(std::string_view pattern, std::size_t& at) {
  if (at < pattern.size() && pattern[at] == '\\') {
    ++at;
  }
  if (at >= pattern.size()) {
    return std::nullopt;
  }
  return pattern[at++];
}

/// A bound within a class: `-` and `]` stand for themselves only behind a backslash.
std::optional<char> class_bound(std::string_view pattern, std::size_t& at) {
  if (at < pattern.size() && (pattern[at] == '-' || pattern[at] == ']')) {
    return std::nullopt;
  }
  return literal(pattern, at);
}

/// `[...]` at the start of the pattern. Nothing: it is a bad one.
std::optional<Step> match_class(std::string_view pattern, char c) {
  std::size_t at = 1;
  const bool is_negated = at < pattern.size() && pattern[at] == '^';
  at += is_negated ? 1 : 0;
  bool is_inside = false;
  const std::size_t first = at;
  while (at == first || (at < pattern.size() && pattern[at] != ']')) {
    const auto low = class_bound(pattern, at);
    if (!low) {
      return std::nullopt;
    }
    auto high = low;
    if (at < pattern.size() && pattern[at] == '-') {
      ++at;
      high = class_bound(pattern, at);
    }
    if (!high) {
      return std::nullopt;
    }
    is_inside = is_inside || (*low <= c && c <= *high);
  }
  if (at >= pattern.size()) {
    return std::nullopt;
  }
  return Step{is_inside != is_negated, at + 1};
}

/// The pattern's first place, which is no star, against one character.
std::optional<Step> match_one(std::string_view pattern, char c) {
  switch (pattern.front()) {
    case '?':
      return Step{c != '/', 1};
    case '[':
      return match_class(pattern, c);
    default: {
      std::size_t at = 0;
      const auto wanted = literal(pattern, at);
      if (!wanted) {
        return std::nullopt;
      }
      return Step{*wanted == c, at};
    }
  }
}

/// Whether every class is closed and no backslash is the last character.
bool is_good(std::string_view pattern) {
  while (!pattern.empty()) {
    if (pattern.front() == '*') {
      pattern.remove_prefix(1);
      continue;
    }
    const auto step = match_one(pattern, 'x');
    if (!step) {
      return false;
    }
    pattern.remove_prefix(step->length);
  }
  return true;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  if (!is_good(pattern)) {
    return false;
  }
  // The last star seen and how much it has taken: on a mismatch it takes one character more. A
  // star before it never needs to, since the later one can take what it would.
  std::optional<std::string_view> after_star;
  std::string_view star_text;
  while (!text.empty() || !pattern.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      after_star = pattern;
      star_text = text;
      continue;
    }
    if (!pattern.empty() && !text.empty()) {
      const auto step = match_one(pattern, text.front());
      if (step && step->is_match) {
        pattern.remove_prefix(step->length);
        text.remove_prefix(1);
        continue;
      }
    }
    if (!after_star || star_text.empty() || star_text.front() == '/') {
      return false;
    }
    star_text.remove_prefix(1);
    text = star_text;
    pattern = *after_star;
  }
  return true;
}

}  // namespace tetrarch::unitfile
