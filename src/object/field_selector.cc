// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes apimachinery, pkg/fields/selector.go, v0.34: syntax and sentences.
#include <algorithm>
#include <utility>

#include "object/selector.h"

namespace tetrarch::object {
namespace {

/// At commas, save those behind a backslash; the backslashes stay.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == ',') {
      terms.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
    }
  }
  std::sort(terms.begin(), terms.end());
  return terms;
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' || c == '=') {
      return Error{
          Code::malformed,
          "invalid field selector: unescaped character in value: " + std::to_string(int{c})};
    }
    if (c != '\\') {
      out += c;
      continue;
    }
    const char next = i + 1 < text.size() ? text[++i] : '\0';
    if (next != '\\' && next != ',' && next != '=') {
      return Error{Code::malformed,
                   "invalid field selector: invalid escape sequence: \\" +
                       std::string(next == '\0' ? 0 : 1, next)};
    }
    out += next;
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == ',' || c == '=') {
      out += '\\';
    }
    out += c;
  }
  return out;
}

std::string_view text_of(View value) {
  return value.is_string() ? value.string() : value ? value.raw() : std::string_view();
}

}  // namespace

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector out;
  for (const auto term : split_terms(text)) {
    if (term.empty()) {
      continue;
    }
    const auto at = term.find('=');
    const auto bang = term.find("!=");
    if (at == std::string_view::npos) {
      return Error{Code::malformed,
                   "invalid selector: '" + std::string(text) + "'; can't understand '" +
                       std::string(term) + "'"};
    }
    const bool is_equal = bang == std::string_view::npos || bang > at;
    const auto path_size = is_equal ? at : bang;
    const bool is_double = is_equal && term.substr(at, 2) == "==";
    TRY(auto value, unescape(term.substr(at + (is_double ? 2 : 1))));
    out.requirements_.push_back(
        {std::string(term.substr(0, path_size)), is_equal, std::move(value)});
  }
  return out;
}

bool FieldSelector::matches(View object) const {
  return std::all_of(
      requirements_.begin(), requirements_.end(), [&](const FieldRequirement& requirement) {
        return (text_of(object.find(requirement.path)) == requirement.value) ==
               requirement.is_equal;
      });
}

std::optional<std::string_view> FieldSelector::exact(std::string_view path) const {
  for (const auto& requirement : requirements_) {
    if (requirement.is_equal && requirement.path == path) {
      return requirement.value;
    }
  }
  return std::nullopt;
}

std::string FieldSelector::text() const {
  std::string out;
  for (const auto& requirement : requirements_) {
    out += (out.empty() ? "" : ",") + requirement.path + (requirement.is_equal ? "=" : "!=") +
           escape(requirement.value);
  }
  return out;
}

}  // namespace tetrarch::object
