// SPDX-License-Identifier: Apache-2.0
#include "schema/decode.h"

#include <algorithm>

#include <fmt/format.h>

#include "object/writer.h"
#include "schema/decoder.h"

namespace tetrarch::schema {

namespace {

/// Deeper bodies are refused; no type of ours is a tenth as deep.
constexpr std::size_t kDepthMax = 500;

Error unrecognized(const Kind& kind, std::string_view why) {
  return {
      Code::malformed,
      fmt::format("the object provided is unrecognized (must be of type {}): {}", kind.kind, why)};
}

std::string_view text_member(const simdjson::dom::object& body, std::string_view name) {
  std::string_view text;
  if (body.at_key(name).get_string().get(text) != simdjson::SUCCESS) {
    return {};
  }
  return text;
}

/// The version part of "apps/v1".
std::string_view version_of(std::string_view api_version) {
  const auto slash = api_version.find('/');
  return slash == api_version.npos ? api_version : api_version.substr(slash + 1);
}

/// What the body says it is; empty members mean what was expected.
struct Claim {
  std::string kind;
  std::string api_version;
};

Error refused(const Kind& kind, const Claim& claim, std::string_view why) {
  return {Code::malformed,
          fmt::format("{} in version \"{}\" cannot be handled as a {}: {}",
                      claim.kind,
                      version_of(claim.api_version),
                      kind.kind,
                      why)};
}

Result<Claim> read_claim(const Kind& kind, const simdjson::dom::object& body) {
  Claim claim{std::string{text_member(body, "kind")}, std::string{text_member(body, "apiVersion")}};
  if (claim.kind.empty()) {
    claim.kind = kind.kind;
  }
  if (claim.api_version.empty()) {
    claim.api_version = kind.api_version();
  }
  if (claim.api_version != kind.api_version() && !kind.is_of_any_group) {
    return Error{
        Code::malformed,
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    claim.api_version,
                    kind.api_version())};
  }
  if (claim.kind != kind.kind) {
    return refused(kind,
                   claim,
                   fmt::format("the kind in the data ({}) does not match the expected kind ({})",
                               claim.kind,
                               kind.kind));
  }
  return claim;
}

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ", "));
}

Result<Decoded> decode_body(const Kind& kind,
                            std::string_view json,
                            Unknown unknown,
                            bool fills_defaults) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  auto error = parser.allocate(std::max<std::size_t>(json.size(), 64), kDepthMax);
  if (error == simdjson::SUCCESS) {
    error = parser.parse(json.data(), json.size()).get(element);
  }
  if (error != simdjson::SUCCESS) {
    return unrecognized(kind,
                        fmt::format("couldn't get version/kind; json parse error: {}",
                                    simdjson::error_message(error)));
  }
  simdjson::dom::object body;
  if (element.get_object().get(body) != simdjson::SUCCESS) {
    return unrecognized(kind,
                        "couldn't get version/kind; json parse error: the body is no JSON object");
  }
  TRY(const auto claim, read_claim(kind, body));
  Decoded decoded;
  std::string bytes;
  bytes.reserve(json.size() + json.size() / 2);
  object::Writer writer{bytes};
  Decoder decoder{writer, unknown, fills_defaults};
  if (auto status = decoder.write_top(kind, element); !status.ok()) {
    return refused(kind, claim, status.error().message);
  }
  if (unknown == Unknown::refuse && !decoder.complaints().empty()) {
    return refused(kind, claim, "strict decoding error: " + joined(decoder.complaints()));
  }
  decoded.document = Document::from_canonical(std::move(bytes));
  decoded.resource_version = decoder.resource_version();
  decoded.warnings = decoder.complaints();
  return decoded;
}

}  // namespace

Result<Decoded> decode(const Kind& kind, std::string_view json, Unknown unknown) {
  return decode_body(kind, json, unknown, true);
}

Result<Decoded> decode_as_given(const Kind& kind, std::string_view json, Unknown unknown) {
  return decode_body(kind, json, unknown, false);
}

}  // namespace tetrarch::schema
