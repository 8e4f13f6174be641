// SPDX-License-Identifier: Apache-2.0
// Selection: the label and field selectors of one list or watch, read once and asked for every
// object.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "client/client.h"
#include "object/selector.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

/// Immutable once made.
class Selection {
 public:
  /// Code::malformed for text that is no selector and for fields that the kind does not offer.
  static Result<Selection> make(const schema::Kind& kind,
                                const Strategy& strategy,
                                const client::Selectors& text);

  bool matches(object::View object) const;

  bool is_everything() const { return labels_.is_everything() && fields_.empty(); }

  /// The one name, namespace or node that can match; empty: any.
  std::string name() const { return exact("metadata.name"); }

  std::string ns() const { return exact("metadata.namespace"); }

  std::string node() const { return exact("spec.nodeName"); }

 private:
  struct Field {
    std::string label;
    std::string path;
    std::string absent;
    bool is_equal = true;
    std::string value;
  };

  std::string exact(std::string_view label) const;

  object::LabelSelector labels_;
  std::vector<Field> fields_;
};

}  // namespace tetrarch::registry
