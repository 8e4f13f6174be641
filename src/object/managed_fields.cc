// SPDX-License-Identifier: Apache-2.0
#include "object/managed_fields.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace tetrarch::object {

namespace {

// Source: Kubernetes API reference v1.35, ManagedFieldsEntry.
constexpr std::string_view kApply = "Apply";
constexpr std::string_view kUpdate = "Update";
constexpr std::string_view kFieldsType = "FieldsV1";
// Source: the name under which a kube-apiserver 1.35 joins old entries.
constexpr std::string_view kAncient = "ancient-changes";

ManagedEntry read_entry(View entry) {
  ManagedEntry out;
  out.manager = entry["manager"].string();
  out.is_apply = entry["operation"].string() == kApply;
  out.api_version = entry["apiVersion"].string();
  out.time = entry["time"].string();
  out.subresource = entry["subresource"].string();
  out.printed = entry["fieldsV1"];
  return out;
}

void print_entry(Writer& out, const ManagedEntry& entry) {
  // In the order in which the schema writes them: what a client sends back unchanged has equal
  // bytes.
  out.begin_object().field("apiVersion", entry.api_version).field("fieldsType", kFieldsType);
  out.key("fieldsV1");
  if (entry.changed) {
    entry.changed->write(out);
  } else {
    out.view(entry.printed);
  }
  const auto text = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) {
      out.field(name, value);
    }
  };
  text("manager", entry.manager);
  out.field("operation", entry.is_apply ? kApply : kUpdate);
  text("subresource", entry.subresource);
  text("time", entry.time);
  out.end_object();
}

/// Applies first, then by time, then by name. Times of one spelling compare as text.
auto order_of(const ManagedEntry& entry) {
  return std::tie(entry.time, entry.manager, entry.api_version, entry.subresource);
}

/// The newer time stays.
void put_in_bucket(ManagedEntry& bucket, const ManagedEntry& entry) {
  bucket.changed = unite(bucket.fields(), entry.fields());
  bucket.manager = kAncient;
  bucket.subresource.clear();
  bucket.time = std::max(bucket.time, entry.time);
}

}  // namespace

FieldSet ManagedEntry::fields() const {
  if (changed) {
    return *changed;
  }
  auto decoded = FieldSet::decode(printed);
  return decoded.ok() ? *std::move(decoded) : FieldSet();
}

bool ManagedEntry::overlaps(const FieldSet& set) const {
  return changed ? !intersect(*changed, set).is_empty() : set.overlaps(printed);
}

bool ManagedEntry::holds(const FieldSet& set) const {
  return changed ? subtract(set, *changed).is_empty() : set.is_within(printed);
}

bool ManagedEntry::is_same_manager(const ManagedEntry& other) const {
  return manager == other.manager && is_apply == other.is_apply &&
         subresource == other.subresource && (is_apply || api_version == other.api_version);
}

Result<ManagedEntries> read_managed(View list) {
  ManagedEntries out;
  for (const View entry : list.elements()) {
    const auto operation = entry["operation"].string();
    if (operation != kApply && operation != kUpdate) {
      return Error{Code::malformed, "operation must be `Apply` or `Update`"};
    }
    if (entry["apiVersion"].string().empty()) {
      return Error{Code::malformed, "apiVersion must not be empty"};
    }
    if (entry["fieldsType"].string() != kFieldsType) {
      return Error{Code::malformed, "fieldsType must be `FieldsV1`"};
    }
    auto read = read_entry(entry);
    read.changed.emplace();
    if (entry["fieldsV1"]) {
      TRY(read.changed, FieldSet::decode(entry["fieldsV1"]));
    }
    const auto same = std::find_if(out.begin(), out.end(), [&](const ManagedEntry& other) {
      return other.is_same_manager(read);
    });
    if (same != out.end()) {
      *same = std::move(read);  // the last one counts
    } else {
      out.push_back(std::move(read));
    }
  }
  return out;
}

ManagedEntries stored_managed(View list) {
  ManagedEntries out;
  for (const View entry : list.elements()) {
    out.push_back(read_entry(entry));
  }
  return out;
}

std::string print_managed(ManagedEntries entries) {
  if (entries.empty()) {
    return {};
  }
  std::sort(entries.begin(), entries.end(), [](const ManagedEntry& a, const ManagedEntry& b) {
    return a.is_apply != b.is_apply ? a.is_apply : order_of(a) < order_of(b);
  });
  std::string json;
  Writer out(json);
  out.begin_array();
  for (const auto& entry : entries) {
    print_entry(out, entry);
  }
  out.end_array();
  return json;
}

bool differ_in_times_only(View a, View b) {
  auto left = stored_managed(a);
  const auto right = stored_managed(b);
  // Times decide the order, so it may differ.
  return left.size() == right.size() &&
         std::all_of(right.begin(), right.end(), [&](const ManagedEntry& entry) {
           return std::any_of(left.begin(), left.end(), [&](const ManagedEntry& other) {
             return other.is_same_manager(entry) && other.api_version == entry.api_version &&
                    other.printed.same_as(entry.printed);
           });
         });
}

void cap_updates(ManagedEntries& entries, std::size_t max) {
  std::vector<std::size_t> updates;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].is_apply) {
      updates.push_back(i);
    }
  }
  if (updates.size() <= max) {
    return;
  }
  std::sort(updates.begin(), updates.end(), [&](std::size_t a, std::size_t b) {
    return order_of(entries[a]) < order_of(entries[b]);
  });
  // Entries of one version go into one: the one that holds such already, else the oldest.
  std::map<std::string_view, std::size_t> buckets;
  for (const auto place : updates) {
    if (entries[place].manager == kAncient && entries[place].subresource.empty()) {
      buckets.emplace(entries[place].api_version, place);
    }
  }
  std::vector<bool> is_gone(entries.size(), false);
  std::size_t left = updates.size();
  for (const auto place : updates) {
    if (left <= max) {
      break;
    }
    const auto bucket = buckets.emplace(entries[place].api_version, place).first->second;
    if (bucket != place) {
      put_in_bucket(entries[bucket], entries[place]);
      is_gone[place] = true;
      --left;
    }
  }
  ManagedEntries kept;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!is_gone[i]) {
      kept.push_back(std::move(entries[i]));
    }
  }
  entries = std::move(kept);
}

}  // namespace tetrarch::object
