// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/negotiate.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/trim.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::size_t kClausesMax = 32;

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

/// Takes the text up to `separator` off the front.
std::string_view take(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto out = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return trim(out);
}

MediaRange parse_clause(std::string_view clause) {
  MediaRange out;
  out.type = lower(take(clause, ';'));
  while (!clause.empty()) {
    auto pair = take(clause, ';');
    const auto name = lower(take(pair, '='));
    if (name == "q") {
      out.quality = std::strtod(std::string(pair).c_str(), nullptr);
    } else if (!name.empty()) {
      out.parameters.emplace_back(name, std::string(pair));
    }
  }
  return out;
}

bool is_json(std::string_view type) {
  return type == "application/json" || type == "*/*" || type == "application/*";
}

/// What a clause asks for; empty where we do not serve it.
std::optional<Representation> representation(const MediaRange& range) {
  if (!is_json(range.type)) {
    return std::nullopt;
  }
  const auto as = range.parameter("as");
  if (as.empty()) {
    return Representation{};
  }
  const auto version = range.parameter("v");
  if (range.parameter("g") != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) {
    return std::nullopt;
  }
  Representation out;
  out.meta_version = version;
  if (as == "Table") {
    out.form = Form::table;
  } else if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") {
    out.form = Form::metadata;
    out.is_list_form = as == "PartialObjectMetadataList";
  } else {
    return std::nullopt;
  }
  return out;
}

}  // namespace

std::string_view MediaRange::parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

std::vector<MediaRange> parse_accept(std::string_view header) {
  std::vector<MediaRange> out;
  while (!header.empty() && out.size() < kClausesMax) {
    const auto clause = take(header, ',');
    if (!clause.empty()) {
      out.push_back(parse_clause(clause));
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const MediaRange& a, const MediaRange& b) {
    return a.quality > b.quality;
  });
  return out;
}

std::string Representation::content_type() const {
  return "application/json";
}

std::optional<Representation> negotiate(std::string_view accept, bool has_other_forms) {
  const auto clauses = parse_accept(accept);
  if (clauses.empty()) {
    return Representation{};
  }
  for (const auto& clause : clauses) {
    auto found = representation(clause);
    if (found && (has_other_forms || found->form == Form::object)) {
      return found;
    }
  }
  return std::nullopt;
}

std::string accept_of(const net::Request& request) {
  std::string out;
  for (const auto value : request.headers.all("Accept")) {
    out += out.empty() ? "" : ",";
    out += value;
  }
  return out;
}

std::string media_type(std::string_view content_type) {
  return lower(trim(content_type.substr(0, content_type.find(';'))));
}

}  // namespace tetrarch::api::kubernetes
