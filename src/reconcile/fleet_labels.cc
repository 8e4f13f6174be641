// SPDX-License-Identifier: Apache-2.0
#include "reconcile/fleet_labels.h"

#include <algorithm>

#include "object/names.h"
#include "reconcile/child_name.h"

namespace tetrarch::reconcile {

namespace {

constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kHash = 10;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Letters and digits stay; anything else is a hyphen.
std::string legal(std::string_view text, std::size_t length_max) {
  std::string out;
  for (const char c : text) {
    if (out.size() < length_max && (is_alphanumeric(c) || !out.empty())) {
      out.push_back(is_alphanumeric(c) ? c : '-');
    }
  }
  while (!out.empty() && out.back() == '-') {
    out.pop_back();
  }
  return out;
}

std::string hashed(std::string_view text) {
  const auto beginning = legal(text, kLabelMax - kHash - 1);
  return (beginning.empty() ? "" : beginning + "-") + name_suffix(text, kHash);
}

}  // namespace

bool is_silent_machine(const Stored& node) {
  const auto metadata = node.metadata();
  return !metadata["labels"][kHasSystemd].exists() &&
         !metadata["annotations"][kSameMachineId].exists();
}

std::string label_value_of(std::string_view text) {
  return object::label_value_faults(text).empty() ? std::string(text) : hashed(text);
}

std::string metadata_label(std::string_view key) {
  const auto whole = std::string(kMetadataPrefix).append(key);
  return object::label_key_faults(whole).empty() ? whole
                                                 : std::string(kMetadataPrefix) + hashed(key);
}

std::string pattern_label(std::string_view pattern) {
  return std::string(kPatternPrefix) + name_suffix(pattern, kHash);
}

std::string pod_prefix(std::string_view unit_name) {
  auto out = legal(unit_name, kLabelMax);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out.empty() ? "unit" : out;
}

}  // namespace tetrarch::reconcile
