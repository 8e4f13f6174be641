// SPDX-License-Identifier: Apache-2.0
#include "client/http/outgoing.h"

#include "object/tree.h"
#include "object/writer.h"

namespace tetrarch::client {
namespace {

std::string_view propagation_word(Propagation propagation) {
  switch (propagation) {
    case Propagation::background:
      return "Background";
    case Propagation::foreground:
      return "Foreground";
    case Propagation::orphan:
      return "Orphan";
    case Propagation::unset:
      break;
  }
  return {};
}

/// Source: RFC 6902: a test of a value that the API shows, and the version that it then compares on
/// its own.
Result<std::string> json_patch_with(const std::string& body, const WriteOptions& options) {
  TRY(const auto document, object::Document::parse(body));
  if (!document->root().is_array()) {
    return Error{Code::malformed, "a JSON patch is a list"};
  }
  std::string out;
  object::Writer writer(out);
  writer.begin_array();
  if (!options.expected_uid.empty()) {
    writer.begin_object()
        .field("op", "test")
        .field("path", "/metadata/uid")
        .field("value", options.expected_uid);
    writer.end_object();
  }
  if (options.expected.number != 0) {
    writer.begin_object().field("op", "replace").field("path", "/metadata/resourceVersion");
    writer.field("value", std::to_string(options.expected.number)).end_object();
  }
  for (const auto step : document->root().elements()) {
    writer.view(step);
  }
  writer.end_array();
  return out;
}

}  // namespace

std::string object_body(const Document& document, const WriteOptions& options) {
  if (options.expected.number == 0) {
    return document.bytes();
  }
  std::string out;
  append_spliced(out, document, options.expected);
  return out;
}

std::string delete_body(const DeleteOptions& options) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "DeleteOptions").field("apiVersion", "v1");
  if (options.grace_seconds) {
    writer.field("gracePeriodSeconds", *options.grace_seconds);
  }
  if (options.expected.number != 0 || !options.expected_uid.empty()) {
    writer.key("preconditions").begin_object();
    if (!options.expected_uid.empty()) {
      writer.field("uid", options.expected_uid);
    }
    if (options.expected.number != 0) {
      writer.field("resourceVersion", std::to_string(options.expected.number));
    }
    writer.end_object();
  }
  if (const auto word = propagation_word(options.propagation); !word.empty()) {
    writer.field("propagationPolicy", word);
  }
  if (options.is_dry_run) {
    writer.key("dryRun").begin_array().string("All").end_array();
  }
  writer.end_object();
  return out;
}

Result<std::string> patch_body(PatchType type,
                               const std::string& body,
                               const WriteOptions& options) {
  if (options.expected.number == 0 && options.expected_uid.empty()) {
    return body;
  }
  if (type == PatchType::json) {
    return json_patch_with(body, options);
  }
  TRY(const auto document, object::Document::parse(body));
  if (!document->root().is_object()) {
    return Error{Code::malformed, "a merge patch is an object"};
  }
  auto tree = object::to_tree(document->root());
  auto& metadata = tree.as_object()["metadata"];
  if (!metadata.is_object()) {
    metadata = object::TreeObject();
  }
  if (!options.expected_uid.empty()) {
    metadata.as_object()["uid"] = options.expected_uid;
  }
  if (options.expected.number != 0) {
    metadata.as_object()["resourceVersion"] = std::to_string(options.expected.number);
  }
  return object::to_json(tree);
}

std::string_view patch_media_type(PatchType type) {
  switch (type) {
    case PatchType::json:
      return "application/json-patch+json";
    case PatchType::merge:
      return "application/merge-patch+json";
    case PatchType::strategic:
      break;
    case PatchType::apply:
      return "application/apply-patch+yaml";
  }
  return "application/strategic-merge-patch+json";
}

}  // namespace tetrarch::client
