// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/partial.h"

namespace tetrarch::api::kubernetes {

void append_partial(std::string& out, const Stored& object, std::string_view meta_version) {
  out += R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/)";
  out += meta_version;
  out += R"(","metadata":{"resourceVersion":")";
  out += std::to_string(object.revision.number);
  out += '"';
  const auto metadata = object.metadata();
  if (metadata.is_object() && metadata.size() > 0) {
    out += ',';
    out += metadata.raw().substr(1);  // with its closing brace
  } else {
    out += '}';
  }
  out += '}';
}

}  // namespace tetrarch::api::kubernetes
