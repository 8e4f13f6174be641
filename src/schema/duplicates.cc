// SPDX-License-Identifier: Apache-2.0
#include "schema/duplicates.h"

#include <algorithm>
#include <set>
#include <simdjson.h>

#include <fmt/format.h>

namespace tetrarch::schema {

namespace {

constexpr std::size_t kDepthMax = 500;  // as bodies of objects (decode.cc)

void search(simdjson::dom::element value, const std::string& path, std::vector<std::string>& out);

// Source: sigs.k8s.io/json, the path in its strict errors: members by dots, elements as [0].
void search_members(simdjson::dom::object members,
                    const std::string& path,
                    std::vector<std::string>& out) {
  std::set<std::string_view> seen;
  for (const auto member : members) {
    const auto place =
        path.empty() ? std::string(member.key) : fmt::format("{}.{}", path, member.key);
    if (!seen.insert(member.key).second) {
      auto text = fmt::format("duplicate field \"{}\"", place);
      if (std::ranges::find(out, text) == out.end()) {
        out.push_back(std::move(text));
      }
    }
    search(member.value, place, out);
  }
}

void search(simdjson::dom::element value, const std::string& path, std::vector<std::string>& out) {
  simdjson::dom::object members;
  simdjson::dom::array elements;
  if (value.get_object().get(members) == simdjson::SUCCESS) {
    search_members(members, path, out);
  } else if (value.get_array().get(elements) == simdjson::SUCCESS) {
    std::size_t place = 0;
    for (const auto element : elements) {
      search(element, fmt::format("{}[{}]", path, place++), out);
    }
  }
}

}  // namespace

std::vector<std::string> duplicate_fields(std::string_view json) {
  std::vector<std::string> out;
  simdjson::dom::parser parser;
  simdjson::dom::element body;
  auto error = parser.allocate(std::max<std::size_t>(json.size(), 64), kDepthMax);
  if (error == simdjson::SUCCESS) {
    error = parser.parse(json.data(), json.size()).get(body);
  }
  if (error == simdjson::SUCCESS) {
    search(body, "", out);
  }
  return out;
}

}  // namespace tetrarch::schema
