// SPDX-License-Identifier: Apache-2.0
// The columns of images.tetrarch.dev.
#include <string>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

void append_name(std::string& out, std::string_view name) {
  out += out.empty() ? "" : ",";
  out += name;
}

Cell names_cell(const std::string& names) {
  return text_cell(names.empty() ? "<none>" : names);
}

Cell nodes_cell(const Stored& blob, TimePoint /*now*/) {
  std::string out;
  for (const auto node : blob.root()["spec"]["nodes"].elements()) {
    append_name(out, node.string());
  }
  return names_cell(out);
}

Cell copies_cell(const Stored& blob, TimePoint /*now*/) {
  std::string out;
  for (const auto [node, since] : blob.root()["status"]["copies"].members()) {
    append_name(out, node);
  }
  return names_cell(out);
}

constexpr Computed kColumns[] = {{"blob-nodes", nodes_cell}, {"blob-copies", copies_cell}};

}  // namespace

std::span<const Computed> image_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
