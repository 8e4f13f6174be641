// SPDX-License-Identifier: Apache-2.0
// The columns of config maps, secrets, events, role bindings, storage classes and device claims,
// and the age of everything. Seen: kubectl get cm,secrets,sa,events,rolebindings -o wide, 1.20
// to 1.35; the last two as kubernetes pkg/printers/internalversion/printers.go, v1.35.
#include <cctype>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

using object::View;

void append(std::string& out, std::string_view text, std::string_view separator = ",") {
  out += out.empty() || text.empty() ? "" : separator;
  out += text;
}

Cell age_cell(const Stored& object, TimePoint now) {
  return text_cell(human_age(object.metadata()["creationTimestamp"].string(), now));
}

Cell data_count_cell(const Stored& object, TimePoint /*now*/) {
  return int_cell(
      static_cast<std::int64_t>(object.root()["data"].size() + object.root()["binaryData"].size()));
}

Cell secrets_count_cell(const Stored& object, TimePoint /*now*/) {
  return int_cell(static_cast<std::int64_t>(object.root()["secrets"].size()));
}

/// Of an event in the core form or the one of events.k8s.io: the first of these that is set.
View first_set(View root, std::initializer_list<std::string_view> paths) {
  for (const auto path : paths) {
    const auto value = root.find(path);
    if (value && !(value.is_string() && value.string().empty())) {
      return value;
    }
  }
  return {};
}

Cell last_seen_cell(const Stored& event, TimePoint now) {
  const auto time = first_set(
      event.root(),
      {"series.lastObservedTime", "lastTimestamp", "deprecatedLastTimestamp", "eventTime"});
  return text_cell(human_age(time.string(), now));
}

Cell first_seen_cell(const Stored& event, TimePoint now) {
  const auto time =
      first_set(event.root(), {"firstTimestamp", "deprecatedFirstTimestamp", "eventTime"});
  return text_cell(human_age(time.string(), now));
}

Cell event_object_cell(const Stored& event, TimePoint /*now*/) {
  const auto about = first_set(event.root(), {"involvedObject", "regarding"});
  std::string out(about["kind"].string());
  for (auto& c : out) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  append(out, about["name"].string(), "/");
  return text_cell(out);
}

Cell event_source_cell(const Stored& event, TimePoint /*now*/) {
  const auto root = event.root();
  const auto source = first_set(root, {"source", "deprecatedSource"});
  auto component = source["component"].string();
  auto host = source["host"].string();
  if (component.empty()) {
    component = first_set(root, {"reportingComponent", "reportingController"}).string();
    host = root["reportingInstance"].string();
  }
  std::string out(component);
  append(out, host, ", ");
  return text_cell(out);
}

Cell event_message_cell(const Stored& event, TimePoint /*now*/) {
  auto text = first_set(event.root(), {"message", "note"}).string();
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  return text_cell(text);
}

Cell event_count_cell(const Stored& event, TimePoint /*now*/) {
  return int_cell(first_set(event.root(), {"series.count", "count", "deprecatedCount"}).integer(1));
}

Cell subjects_cell(const Stored& binding, std::string_view kind) {
  std::string out;
  for (const auto subject : binding.root()["subjects"].elements()) {
    if (subject["kind"].string() == kind) {
      std::string name(subject["namespace"].string());
      append(name, subject["name"].string(), "/");
      append(out, name, ", ");
    }
  }
  return text_cell(out);
}

Cell users_cell(const Stored& binding, TimePoint /*now*/) {
  return subjects_cell(binding, "User");
}

Cell groups_cell(const Stored& binding, TimePoint /*now*/) {
  return subjects_cell(binding, "Group");
}

Cell accounts_cell(const Stored& binding, TimePoint /*now*/) {
  return subjects_cell(binding, "ServiceAccount");
}

Cell storage_class_name_cell(const Stored& storage_class, TimePoint /*now*/) {
  const auto annotations = storage_class.metadata()["annotations"];
  bool is_default = false;
  for (const auto* name : {"storageclass.kubernetes.io/is-default-class",
                           "storageclass.beta.kubernetes.io/is-default-class"}) {
    is_default = is_default || annotations[name].string() == "true";
  }
  std::string out(storage_class.metadata()["name"].string());
  append(out, is_default ? "(default)" : "", " ");
  return text_cell(out);
}

Cell claim_state_cell(const Stored& claim, TimePoint /*now*/) {
  const auto status = claim.root()["status"];
  const bool is_ending = claim.metadata()["deletionTimestamp"].exists();
  std::string out(is_ending ? "deleted" : "");
  if (status["allocation"]) {
    append(out, "allocated");
    append(out, status["reservedFor"].size() > 0 ? "reserved" : "");
  } else if (!is_ending) {
    out = "pending";
  }
  return text_cell(out);
}

constexpr Computed kColumns[] = {
    {"claim-state", claim_state_cell},
    {"storage-class-name", storage_class_name_cell},
    {"age", age_cell},
    {"data-count", data_count_cell},
    {"secrets-count", secrets_count_cell},
    {"event-last-seen", last_seen_cell},
    {"event-first-seen", first_seen_cell},
    {"event-object", event_object_cell},
    {"event-source", event_source_cell},
    {"event-message", event_message_cell},
    {"event-count", event_count_cell},
    {"binding-users", users_cell},
    {"binding-groups", groups_cell},
    {"binding-service-accounts", accounts_cell},
};

}  // namespace

std::span<const Computed> other_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
