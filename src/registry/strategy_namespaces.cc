// SPDX-License-Identifier: Apache-2.0
// Namespaces: begin Active under the finalizer "kubernetes"; end Terminating until their content is
// gone.
#include <algorithm>
#include <array>

#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::string_view kNameLabel = "kubernetes.io/metadata.name";
constexpr std::array<std::string_view, 4> kProtected = {
    "default", "kube-system", "kube-public", "kube-node-lease"};

/// Source: Kubernetes documentation, "Automatic labelling": every namespace is labelled with its
/// name.
void add_name_label(Draft& draft) {
  const auto before =
      Document::from_canonical(draft.meta.labels.empty() ? "{}" : draft.meta.labels);
  Overlay labels;
  labels.member(kNameLabel).replace(quoted(draft.meta.name));
  draft.meta.labels.clear();
  object::Writer out(draft.meta.labels);
  labels.write(out, before->root());
}

Status on_create(Write& /*write*/, Draft& draft) {
  add_name_label(draft);
  draft.set("spec", R"({"finalizers":["kubernetes"]})");
  draft.set("status", R"({"phase":"Active"})");
  return ok();
}

Status on_update(Write& /*write*/, View old, Draft& draft) {
  if (draft.meta.name.empty()) {
    draft.meta.name = old["metadata"]["name"].string();
  }
  add_name_label(draft);
  draft.take("spec", old);
  return ok();
}

void on_end(Draft& draft) {
  draft.set_text("status.phase", "Terminating");
}

Status on_remove(Write& write, View /*old*/) {
  if (std::find(kProtected.begin(), kProtected.end(), write.call.name) != kProtected.end()) {
    return forbidden("namespaces", write.call.name, "this namespace may not be deleted");
  }
  return ok();
}

}  // namespace

Strategy namespaces_strategy() {
  Strategy out;
  out.has_status = true;
  out.fields = {{"status.phase"}};
  out.on_create = &on_create;
  out.on_update = &on_update;
  out.on_end = &on_end;
  out.on_remove = &on_remove;
  return out;
}

}  // namespace tetrarch::registry
