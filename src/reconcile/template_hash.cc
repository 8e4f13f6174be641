// SPDX-License-Identifier: Apache-2.0
#include "reconcile/template_hash.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "reconcile/child_name.h"
#include "reconcile/edit.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;

constexpr std::size_t kLength = 10;

/// Members in order of name, without what says nothing: one text for all spellings of one meaning.
void write_sorted(const Tree& tree, std::string* out) {
  if (tree.is_object()) {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : tree.get_object()) {
      if (!same_meaning(value, Tree())) {
        names.push_back(name);
      }
    }
    std::sort(names.begin(), names.end());
    for (const auto name : names) {
      fmt::format_to(std::back_inserter(*out), "{{{}:", name);
      write_sorted(tree.get_object().at(name), out);
    }
    out->push_back('}');
  } else if (tree.is_array()) {
    for (const auto& value : tree.get_array()) {
      out->push_back('[');
      write_sorted(value, out);
    }
    out->push_back(']');
  } else {
    *out += object::to_json(tree);
  }
}

}  // namespace

std::string hash_of_template(const Tree& source, std::int64_t collisions) {
  std::string text;
  write_sorted(source, &text);
  if (collisions > 0) {
    text += fmt::format("#{}", collisions);
  }
  return name_suffix(text, kLength);
}

}  // namespace tetrarch::reconcile
