// SPDX-License-Identifier: Apache-2.0
#include "client/http/incoming.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "object/writer.h"

namespace tetrarch::client {
namespace {

struct ReasonRow {
  std::string_view reason;
  Code code;
};

// Source: Kubernetes API reference, meta/v1 Status, the reasons of apimachinery 1.35
// (metav1.StatusReason…).
constexpr auto kReasons = std::to_array<ReasonRow>({
    {"BadRequest", Code::malformed},
    {"Unauthorized", Code::unauthenticated},
    {"Forbidden", Code::forbidden},
    {"NotFound", Code::not_found},
    {"AlreadyExists", Code::already_exists},
    {"Conflict", Code::conflict},
    {"Gone", Code::expired},
    {"Expired", Code::expired},
    {"Invalid", Code::invalid},
    {"TooManyRequests", Code::exhausted},
    {"RequestEntityTooLarge", Code::too_large},
    {"MethodNotAllowed", Code::unsupported},
    {"NotAcceptable", Code::unsupported},
    {"UnsupportedMediaType", Code::unsupported},
    {"InternalError", Code::internal},
    {"ServiceUnavailable", Code::unavailable},
    {"ServerTimeout", Code::timeout},
    {"Timeout", Code::timeout},
    {"NotImplemented", Code::unimplemented},
});

struct StatusRow {
  int status;
  Code code;
};

constexpr auto kStatuses = std::to_array<StatusRow>({
    {400, Code::malformed},
    {401, Code::unauthenticated},
    {403, Code::forbidden},
    {404, Code::not_found},
    {405, Code::unsupported},
    {406, Code::unsupported},
    {409, Code::conflict},
    {410, Code::expired},
    {412, Code::precondition},
    {413, Code::too_large},
    {415, Code::unsupported},
    {422, Code::invalid},
    {429, Code::exhausted},
    {500, Code::internal},
    {501, Code::unimplemented},
    {502, Code::unavailable},
    {503, Code::unavailable},
    {504, Code::timeout},
});

Revision revision_of(std::string_view text) {
  Revision revision;
  std::from_chars(text.data(), text.data() + text.size(), revision.number);
  return revision;
}

/// The canonical bytes of `root` without the member metadata.resourceVersion.
std::string without_revision(object::View root) {
  const std::string_view bytes = root.raw();
  const auto version = root["metadata"]["resourceVersion"];
  if (!version.exists()) {
    return std::string(bytes);
  }
  static constexpr std::string_view kName = "\"resourceVersion\":";
  auto begin = static_cast<std::size_t>(version.raw().data() - bytes.data()) - kName.size();
  auto end = static_cast<std::size_t>(version.raw().data() + version.raw().size() - bytes.data());
  if (bytes[end] == ',') {
    ++end;
  } else if (bytes[begin - 1] == ',') {
    --begin;  // it was the last member
  }
  std::string out;
  out.reserve(bytes.size());
  out += bytes.substr(0, begin);
  out += bytes.substr(end);
  return out;
}

Error unreadable(std::string_view what) {
  return {Code::unavailable, "the server's answer cannot be read: " + std::string(what)};
}

Error failure_of(object::View status, int http_status) {
  Error error(code_of(status["reason"].string(), http_status),
              std::string(status["message"].string()));
  const auto details = status["details"];
  for (const auto cause : details["causes"].elements()) {
    error.fields.push_back({std::string(cause["reason"].string()),
                            std::string(cause["message"].string()),
                            std::string(cause["field"].string())});
  }
  error.retry_after_s = static_cast<int>(details["retryAfterSeconds"].integer());
  return error;
}

}  // namespace

Code code_of(std::string_view reason, int http_status) {
  const auto* const by_reason =
      std::find_if(kReasons.begin(), kReasons.end(), [reason](const ReasonRow& row) {
        return row.reason == reason;
      });
  if (by_reason != kReasons.end()) {
    return by_reason->code;
  }
  const auto* const by_status =
      std::find_if(kStatuses.begin(), kStatuses.end(), [http_status](const StatusRow& row) {
        return row.status == http_status;
      });
  return by_status != kStatuses.end() ? by_status->code : Code::internal;
}

Error parse_failure(int http_status, std::string_view body) {
  const auto document = object::Document::parse(body);
  if (document.ok() && (*document)->root()["kind"].string() == "Status") {
    const auto root = (*document)->root();
    return failure_of(root, static_cast<int>(root["code"].integer(http_status)));
  }
  constexpr std::size_t kShownMax = 500;
  return {code_of("", http_status),
          "the server answered " + std::to_string(http_status) + ": " +
              std::string(body.substr(0, kShownMax))};
}

Result<Stored> parse_object(std::string_view resource,
                            object::View root,
                            std::string_view kind,
                            std::string_view api_version) {
  const auto metadata = root["metadata"];
  if (!metadata.is_object()) {
    return unreadable("an object has no metadata");
  }
  Stored out;
  out.key = {std::string(resource),
             std::string(metadata["namespace"].string()),
             std::string(metadata["name"].string())};
  out.revision = revision_of(metadata["resourceVersion"].string());
  std::string bytes = without_revision(root);
  if (!root["kind"].exists() && !kind.empty()) {
    std::string typed;
    object::Writer(typed).begin_object().field("kind", kind).field("apiVersion", api_version);
    typed += ',';
    typed.append(bytes, 1);
    bytes = std::move(typed);
  }
  out.document = object::Document::from_canonical(std::move(bytes));
  return out;
}

Result<Stored> parse_any_object(const schema::Catalog& catalog, object::View root) {
  const auto api_version = root["apiVersion"].string();
  const auto slash = api_version.find('/');
  const auto group =
      slash == std::string_view::npos ? std::string_view{} : api_version.substr(0, slash);
  const auto version =
      slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  const auto* const kind = catalog.find(group, version, root["kind"].string());
  if (kind == nullptr) {
    return unreadable("an object is of an unknown kind: " + std::string(api_version) + " " +
                      std::string(root["kind"].string()));
  }
  return parse_object(kind->resource, root);
}

Result<ListPage> parse_list(std::string_view resource, std::string_view json) {
  TRY(const auto document, object::Document::parse(json));
  const auto root = document->root();
  const auto metadata = root["metadata"];
  std::string kind(root["kind"].string());
  if (!kind.ends_with("List") || !metadata.is_object()) {
    return unreadable("a list was expected");
  }
  kind.resize(kind.size() - std::string_view("List").size());
  ListPage page;
  page.revision = revision_of(metadata["resourceVersion"].string());
  page.continue_token = metadata["continue"].string();
  page.remaining = static_cast<std::size_t>(metadata["remainingItemCount"].integer());
  page.items.reserve(root["items"].size());
  for (const auto item : root["items"].elements()) {
    TRY(auto stored, parse_object(resource, item, kind, root["apiVersion"].string()));
    page.items.push_back(std::move(stored));
  }
  return page;
}

Result<WatchEvent> parse_event(std::string_view resource,
                               const schema::Catalog* catalog,
                               std::string_view line) {
  const auto document = object::Document::parse(line);
  if (!document.ok()) {
    return unreadable("a watch event is no JSON");
  }
  const auto root = (*document)->root();
  const auto type = root["type"].string();
  const auto body = root["object"];
  WatchEvent event;
  if (type == "BOOKMARK") {
    event.type = EventType::bookmark;
    event.object.key.resource = resource;
    event.object.revision = revision_of(body["metadata"]["resourceVersion"].string());
    return event;
  }
  if (type == "ERROR") {
    return failure_of(body, static_cast<int>(body["code"].integer(500)));
  }
  if (type == "ADDED") {
    event.type = EventType::added;
  } else if (type == "MODIFIED") {
    event.type = EventType::modified;
  } else if (type == "DELETED") {
    event.type = EventType::deleted;
  } else {
    return unreadable("a watch event of unknown type \"" + std::string(type) + "\"");
  }
  TRY(event.object,
      catalog != nullptr ? parse_any_object(*catalog, body) : parse_object(resource, body));
  return event;
}

}  // namespace tetrarch::client
