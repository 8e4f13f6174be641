// SPDX-License-Identifier: Apache-2.0
#include "object/path.h"

#include <algorithm>
#include <utility>

namespace tetrarch::object {
namespace {

boost::json::string_view as_boost(std::string_view text) {
  return {text.data(), text.size()};
}

/// "a.b.c" is {"a", "b.c"}.
std::pair<std::string_view, std::string_view> split_first(std::string_view path) {
  const auto dot = path.find('.');
  return {path.substr(0, dot), dot == std::string_view::npos ? "" : path.substr(dot + 1)};
}

/// "a.b.c" is {"a.b", "c"}.
std::pair<std::string_view, std::string_view> split_last(std::string_view path) {
  const auto dot = path.rfind('.');
  if (dot == std::string_view::npos) {
    return {"", path};
  }
  return {path.substr(0, dot), path.substr(dot + 1)};
}

bool is_same_number(const Tree& a, const Tree& b) {
  if (a.is_double() || b.is_double()) {
    return a.to_number<double>() == b.to_number<double>();
  }
  return a == b;
}

}  // namespace

const Tree* find(const Tree& tree, std::string_view dotted_path) {
  const Tree* at = &tree;
  while (!dotted_path.empty()) {
    const auto [name, rest] = split_first(dotted_path);
    const auto* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(as_boost(name));
    if (at == nullptr) {
      return nullptr;
    }
    dotted_path = rest;
  }
  return at;
}

Tree* find(Tree& tree, std::string_view dotted_path) {
  return const_cast<Tree*>(find(std::as_const(tree), dotted_path));  // NOLINT: ours to change
}

TreeObject& make_object(Tree& tree, std::string_view dotted_path) {
  Tree* at = &tree;
  while (true) {
    if (!at->is_object()) {
      *at = TreeObject();
    }
    if (dotted_path.empty()) {
      return at->get_object();
    }
    const auto [name, rest] = split_first(dotted_path);
    at = &at->get_object()[as_boost(name)];
    dotted_path = rest;
  }
}

void set(Tree& tree, std::string_view dotted_path, Tree value) {
  const auto [parent, name] = split_last(dotted_path);
  make_object(tree, parent)[as_boost(name)] = std::move(value);
}

bool erase(Tree& tree, std::string_view dotted_path) {
  const auto [parent, name] = split_last(dotted_path);
  Tree* at = find(tree, parent);
  auto* object = at == nullptr ? nullptr : at->if_object();
  return object != nullptr && erase_member(*object, name);
}

bool erase_member(TreeObject& object, std::string_view name) {
  const auto member = object.find(as_boost(name));
  if (member == object.end()) {
    return false;
  }
  object.stable_erase(member);
  return true;
}

std::string_view text_of(const Tree& tree) {
  const auto* text = tree.if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

std::string_view text_at(const Tree& tree, std::string_view dotted_path) {
  const Tree* at = find(tree, dotted_path);
  return at == nullptr ? std::string_view() : text_of(*at);
}

Result<std::vector<std::string>> parse_pointer(std::string_view pointer) {
  std::vector<std::string> steps;
  if (pointer.empty()) {
    return steps;
  }
  if (pointer.front() != '/') {
    return Error{Code::invalid,
                 "a JSON pointer starts with '/', this one does not: " + std::string(pointer)};
  }
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    const bool is_escape = pointer[i] == '~' && i + 1 < pointer.size();
    if (pointer[i] == '/') {
      steps.emplace_back();
    } else if (is_escape && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
      steps.back() += pointer[++i] == '0' ? '~' : '/';
    } else {
      steps.back() += pointer[i];
    }
  }
  return steps;
}

std::string pointer_step(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~' || c == '/') {
      out += c == '~' ? "~0" : "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::size_t depth_of(const Tree& tree) {
  std::size_t deepest = 0;
  if (const auto* list = tree.if_array()) {
    for (const auto& element : *list) {
      deepest = std::max(deepest, depth_of(element));
    }
    return deepest + 1;
  }
  if (const auto* object = tree.if_object()) {
    for (const auto& member : *object) {
      deepest = std::max(deepest, depth_of(member.value()));
    }
    return deepest + 1;
  }
  return 0;
}

bool same_value(const Tree& a, const Tree& b) {
  if (a.is_number() && b.is_number()) {
    return is_same_number(a, b);
  }
  if (a.kind() != b.kind()) {
    return false;
  }
  if (const auto* list = a.if_array()) {
    const auto& other = b.get_array();
    return std::equal(list->begin(), list->end(), other.begin(), other.end(), same_value);
  }
  if (const auto* object = a.if_object()) {
    const auto& other = b.get_object();
    const auto is_there = [&](const auto& member) {
      const Tree* found = other.if_contains(member.key());
      return found != nullptr && same_value(member.value(), *found);
    };
    return object->size() == other.size() && std::all_of(object->begin(), object->end(), is_there);
  }
  return a == b;
}

}  // namespace tetrarch::object
