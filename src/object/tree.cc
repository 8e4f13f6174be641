// SPDX-License-Identifier: Apache-2.0
#include "object/tree.h"

#include <charconv>

#include "object/writer.h"

namespace tetrarch::object {
namespace {

std::string_view as_view(boost::json::string_view text) {
  return {text.data(), text.size()};
}

boost::json::string_view as_boost(std::string_view text) {
  return {text.data(), text.size()};
}

Tree number_to_tree(View view) {
  const auto text = view.raw();
  const auto* end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto [rest, error] = std::from_chars(text.data(), end, integer);
      error == std::errc{} && rest == end) {
    return integer;
  }
  std::uint64_t natural = 0;
  if (const auto [rest, error] = std::from_chars(text.data(), end, natural);
      error == std::errc{} && rest == end) {
    return natural;
  }
  return view.number();
}

void write(Writer& writer, const Tree& tree) {
  switch (tree.kind()) {
    case boost::json::kind::null:
      writer.null();
      return;
    case boost::json::kind::bool_:
      writer.boolean(tree.get_bool());
      return;
    case boost::json::kind::int64:
      writer.integer(tree.get_int64());
      return;
    case boost::json::kind::uint64:
      writer.unsigned_integer(tree.get_uint64());
      return;
    case boost::json::kind::double_:
      writer.number(tree.get_double());
      return;
    case boost::json::kind::string:
      writer.string(as_view(tree.get_string()));
      return;
    case boost::json::kind::array:
      writer.begin_array();
      for (const auto& element : tree.get_array()) {
        write(writer, element);
      }
      writer.end_array();
      return;
    case boost::json::kind::object:
      writer.begin_object();
      for (const auto& member : tree.get_object()) {
        writer.key(as_view(member.key()));
        write(writer, member.value());
      }
      writer.end_object();
      return;
  }
}

}  // namespace

Tree to_tree(View view) {
  switch (view.kind()) {
    case Kind::absent:
    case Kind::null:
      return nullptr;
    case Kind::boolean:
      return view.boolean();
    case Kind::number:
      return number_to_tree(view);
    case Kind::string:
      return as_boost(view.string());
    case Kind::array: {
      TreeArray out;
      for (const View element : view.elements()) {
        out.push_back(to_tree(element));
      }
      return out;
    }
    case Kind::object: {
      TreeObject out;
      for (const auto [key, value] : view.members()) {
        out.insert_or_assign(as_boost(key), to_tree(value));
      }
      return out;
    }
  }
  return nullptr;
}

std::string to_json(const Tree& tree) {
  std::string out;
  Writer writer(out);
  write(writer, tree);
  return out;
}

DocumentPtr to_document(const Tree& tree) {
  return Document::from_canonical(to_json(tree));
}

}  // namespace tetrarch::object
