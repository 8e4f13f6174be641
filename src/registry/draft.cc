// SPDX-License-Identifier: Apache-2.0
#include "registry/draft.h"

#include <utility>

namespace tetrarch::registry {

using object::View;
using object::Writer;

namespace {

/// What a thread keeps after a large document.
constexpr std::size_t kScratchMax = std::size_t{64} << 10;

std::string raw_or_empty(View value) {
  return value && value.size() > 0 ? std::string(value.raw()) : std::string();
}

void raw_field(Writer& out, std::string_view name, const std::string& json) {
  if (!json.empty()) {
    out.key(name).raw(json);
  }
}

void text_field(Writer& out, std::string_view name, const std::string& text) {
  if (!text.empty()) {
    out.field(name, text);
  }
}

}  // namespace

Meta Meta::read(View metadata) {
  Meta out;
  for (const auto [name, value] : metadata.members()) {
    if (name == "name") {
      out.name = value.string();
    } else if (name == "generateName") {
      out.generate_name = value.string();
    } else if (name == "namespace") {
      out.ns = value.string();
    } else if (name == "uid") {
      out.uid = value.string();
    } else if (name == "generation") {
      out.generation = value.integer();
    } else if (name == "creationTimestamp") {
      out.created = value.string();
    } else if (name == "deletionTimestamp") {
      out.deleted = value.string();
    } else if (name == "deletionGracePeriodSeconds" && value) {
      out.grace_s = value.integer();
    } else if (name == "labels") {
      out.labels = raw_or_empty(value);
    } else if (name == "annotations") {
      out.annotations = raw_or_empty(value);
    } else if (name == "ownerReferences") {
      out.owners = raw_or_empty(value);
    } else if (name == "finalizers") {
      for (const View finalizer : value.elements()) {
        out.finalizers.emplace_back(finalizer.string());
      }
    } else if (name == "managedFields") {
      out.managed = raw_or_empty(value);
    }
  }
  return out;
}

void Meta::write(Writer& out) const {
  out.begin_object();
  text_field(out, "name", name);
  text_field(out, "generateName", generate_name);
  text_field(out, "namespace", ns);
  text_field(out, "uid", uid);
  if (generation != 0) {
    out.field("generation", generation);
  }
  text_field(out, "creationTimestamp", created);
  text_field(out, "deletionTimestamp", deleted);
  if (grace_s) {
    out.field("deletionGracePeriodSeconds", *grace_s);
  }
  raw_field(out, "labels", labels);
  raw_field(out, "annotations", annotations);
  raw_field(out, "ownerReferences", owners);
  if (!finalizers.empty()) {
    out.key("finalizers").begin_array();
    for (const auto& finalizer : finalizers) {
      out.string(finalizer);
    }
    out.end_array();
  }
  raw_field(out, "managedFields", managed);
  out.end_object();
}

std::string with_member(const std::string& map, std::string_view key, std::string json) {
  Overlay change;
  change.member(key).replace(std::move(json));
  std::string out;
  Writer writer(out);
  change.write(writer, Document::from_canonical(map.empty() ? "{}" : map)->root());
  return out;
}

Draft::Draft(const schema::Kind& kind, DocumentPtr base)
    : meta(Meta::read(base->root()["metadata"])), kind_(&kind), base_(std::move(base)) {}

void Draft::take(std::string_view member, View from) {
  const View value = from[member];
  if (value.exists()) {
    changes.member(member).replace(std::string(value.raw()));
  } else {
    changes.member(member).drop();
  }
}

DocumentPtr Draft::finish() const {
  // The first three members come from here; the overlay prints the others.
  thread_local std::string scratch;  // what comes out of it stays long: at its exact size
  scratch.clear();
  Writer out(scratch);
  out.begin_object();
  out.field("kind", kind_->kind);
  out.field("apiVersion", kind_->api_version());
  out.key("metadata");
  meta.write(out);
  changes.write_members(out, base(), [](std::string_view name) {
    return name == "kind" || name == "apiVersion" || name == "metadata";
  });
  out.end_object();
  std::string bytes(scratch);
  if (scratch.capacity() > kScratchMax) {
    scratch = {};
  }
  return Document::from_canonical(std::move(bytes));
}

}  // namespace tetrarch::registry
