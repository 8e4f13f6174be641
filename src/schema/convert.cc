// SPDX-License-Identifier: Apache-2.0
#include "schema/convert.h"

#include <array>

#include <fmt/format.h>

#include "object/writer.h"

namespace tetrarch::schema {

namespace {

/// The same field in core/v1 and events.k8s.io/v1. Source: Kubernetes API reference, Event v1
/// events.k8s.io: the fields it calls deprecated, regarding, note, reportingController.
struct EventNames {
  std::string_view core;
  std::string_view events;
};

constexpr auto kEventNames = std::to_array<EventNames>({
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"count", "deprecatedCount"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"source", "deprecatedSource"},
});

bool is_event(const Kind& kind) {
  return kind.kind == "Event" && kind.resource == "events";
}

/// What a field of `to` is called in the other version.
std::string_view name_in_source(const Kind& to, std::string_view name) {
  for (const auto& [core, events] : kEventNames) {
    if (name == (to.group.empty() ? core : events)) {
      return to.group.empty() ? events : core;
    }
  }
  return name;
}

}  // namespace

Result<DocumentPtr> convert(object::View object, const Kind& from, const Kind& to) {
  if (&from == &to) {
    return Document::from_canonical(std::string{object.raw()});
  }
  if (!is_event(from) || !is_event(to)) {
    return Error{Code::malformed,
                 fmt::format("{} {} cannot be converted to {} {}",
                             from.api_version(),
                             from.kind,
                             to.api_version(),
                             to.kind)};
  }
  std::string bytes;
  object::Writer writer{bytes};
  writer.begin_object().field("kind", to.kind).field("apiVersion", to.api_version());
  writer.field("metadata", object["metadata"]);
  for (const auto& field : to.type->fields) {
    const auto value = object[name_in_source(to, field.name)];
    const bool is_written =
        field.name == "kind" || field.name == "apiVersion" || field.name == "metadata";
    if (value && !is_written) {
      writer.field(field.name, value);
    }
  }
  writer.end_object();
  return Document::from_canonical(std::move(bytes));
}

}  // namespace tetrarch::schema
