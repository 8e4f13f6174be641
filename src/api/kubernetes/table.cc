// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/table.h"

#include <array>
#include <charconv>

#include "api/kubernetes/partial.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {
namespace {

/// Takes one step of a path, `.name` or `[n]`, off the front.
object::View step(object::View from, std::string_view& path) {
  if (path.front() == '[') {
    path.remove_prefix(1);
    const auto inside = path.substr(0, path.find(']'));
    std::size_t place = 0;
    const auto [end, error] = std::from_chars(inside.data(), inside.data() + inside.size(), place);
    const bool is_place = error == std::errc() && end == inside.data() + inside.size();
    path.remove_prefix(std::min(path.size(), inside.size() + 1));
    return is_place ? from.at(place) : object::View();
  }
  path.remove_prefix(1);
  const auto name = path.substr(0, path.find_first_of(".["));
  path.remove_prefix(name.size());
  return from[name];
}

object::View follow(object::View from, std::string_view path) {
  while (!path.empty() && from.exists()) {
    from = step(from, path);
  }
  return from;
}

std::string_view printed(object::View value) {
  return value.is_string() ? value.string() : value.raw();
}

/// One piece `{.path|fallback}` without its braces.
struct Piece {
  std::string_view path;
  std::string_view fallback;
};

Piece parse_piece(std::string_view inside) {
  const auto bar = inside.find('|');
  return {inside.substr(0, bar),
          bar == std::string_view::npos ? std::string_view{} : inside.substr(bar + 1)};
}

std::string expand(std::string_view text, object::View root) {
  std::string out;
  while (!text.empty()) {
    const auto begin = text.find('{');
    out += text.substr(0, begin);
    const auto end = text.find('}', begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) {
      break;
    }
    const auto piece = parse_piece(text.substr(begin + 1, end - begin - 1));
    const auto value = follow(root, piece.path);
    out += value ? printed(value) : piece.fallback;
    text.remove_prefix(end + 1);
  }
  return out;
}

bool is_single_piece(std::string_view source) {
  return source.size() > 2 && source.front() == '{' && source.find('}') == source.size() - 1;
}

/// Numbers and booleans stay what they are; what is neither has no value in their columns.
/// Source: Kubernetes apiextensions-apiserver, tableconvertor, cellForJSONValue.
Cell typed_cell(std::string_view type, std::string_view text) {
  if (type == "boolean") {
    return text == "true" || text == "false" ? Cell(text) : "null";
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole ? int_cell(value) : "null";
}

Cell template_cell(const schema::Column& column, object::View root) {
  const auto& source = column.source;
  if (column.type == "string" || column.type == "date" || !is_single_piece(source)) {
    return text_cell(expand(source, root));
  }
  const auto piece = parse_piece(std::string_view(source).substr(1, source.size() - 2));
  const auto value = follow(root, piece.path);
  if (!value && piece.fallback.starts_with('<')) {
    return text_cell(piece.fallback);  // "<none>", also among numbers
  }
  return typed_cell(column.type, value ? value.raw() : piece.fallback);
}

struct Cells {
  const schema::Column* column;
  Compute compute;  ///< null: the source is a template
};

const std::vector<schema::Column>& fallback_columns() {
  static const std::vector<schema::Column> kColumns = {
      {"Name", "string", "name", "{.metadata.name}", "Name of the object.", 0},
      {"Age", "string", "", "@age", "Time since the object was created.", 0},
  };
  return kColumns;
}

std::vector<Cells> plan(const schema::Kind& kind) {
  const auto& columns = kind.columns.empty() ? fallback_columns() : kind.columns;
  std::vector<Cells> out;
  for (const auto& column : columns) {
    const bool is_template = column.source.find('{') != std::string::npos;
    out.push_back({&column, is_template ? nullptr : find_computed(column.source)});
  }
  return out;
}

void write_columns(object::Writer& writer, const std::vector<Cells>& cells, bool has_columns) {
  writer.key("columnDefinitions").begin_array();
  if (has_columns) {
    for (const auto& [column, compute] : cells) {
      writer.begin_object()
          .field("name", column->name)
          .field("type", column->type)
          .field("format", column->format)
          .field("description", column->doc)
          .field("priority", column->priority)
          .end_object();
    }
  }
  writer.end_array();
}

void append_row(std::string& out,
                const TableOptions& options,
                const std::vector<Cells>& cells,
                const Stored& item) {
  out += R"({"cells":[)";
  bool is_first = true;
  for (const auto& [column, compute] : cells) {
    out += is_first ? "" : ",";
    is_first = false;
    out += compute != nullptr ? compute(item, options.now) : template_cell(*column, item.root());
  }
  out += ']';
  if (options.include == IncludeObject::metadata) {
    out += R"(,"object":)";
    append_partial(out, item, options.meta_version);
  } else if (options.include == IncludeObject::object) {
    out += R"(,"object":)";
    append_spliced(out, *item.document, item.revision);
  } else {
    out += R"(,"object":null)";
  }
  out += '}';
}

}  // namespace

Cell text_cell(std::string_view text) {
  Cell out;
  object::Writer(out).string(text);
  return out;
}

Cell int_cell(std::int64_t value) {
  return std::to_string(value);
}

Compute find_computed(std::string_view name) {
  if (name.starts_with('@')) {
    name.remove_prefix(1);
  }
  const auto lists = std::to_array<std::span<const Computed>>({pod_columns(),
                                                               node_columns(),
                                                               service_columns(),
                                                               workload_columns(),
                                                               batch_columns(),
                                                               policy_columns(),
                                                               networking_columns(),
                                                               image_columns(),
                                                               other_columns()});
  for (const auto& list : lists) {
    for (const auto& row : list) {
      if (row.name == name) {
        return row.compute;
      }
    }
  }
  return nullptr;
}

std::string make_table(const TableOptions& options,
                       std::span<const Stored> items,
                       std::string_view metadata,
                       bool has_columns) {
  const auto cells = plan(options.kind);
  std::string out;
  object::Writer writer(out);
  writer.begin_object()
      .field("kind", "Table")
      .field("apiVersion", "meta.k8s.io/" + options.meta_version);
  writer.key("metadata").raw(metadata);
  write_columns(writer, cells, has_columns);
  out += R"(,"rows":[)";
  bool is_first = true;
  for (const auto& item : items) {
    out += is_first ? "" : ",";
    is_first = false;
    append_row(out, options, cells, item);
  }
  return out + "]}";
}

}  // namespace tetrarch::api::kubernetes
