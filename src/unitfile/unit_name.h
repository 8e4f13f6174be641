// SPDX-License-Identifier: Apache-2.0
// Names of systemd units as fleet takes them. Source: fleet reference, section 4 (fleet 1.0 unit
// names).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::unitfile {

/// A name taken apart. All parts are views into the name.
struct UnitName {
  std::string_view full;      ///< foo@1.service
  std::string_view stem;      ///< foo@1: all before the last dot
  std::string_view suffix;    ///< service
  std::string_view prefix;    ///< foo; the stem where there is no '@'
  std::string_view instance;  ///< 1; empty for a template and for a plain unit
  bool has_at = false;        ///< the stem has an '@': a template or an instance

  bool is_template() const { return has_at && instance.empty(); }

  bool is_instance() const { return !instance.empty(); }
};

/// Takes apart any text; what is no valid name gives parts that are empty.
UnitName split_name(std::string_view name);

/// `foo@.service` for foo@1.service; empty for what is no instance.
std::string template_of(const UnitName& name);

/// Whether fleet accepts the name: Code::malformed with fleet's own sentence where it does not.
Status check_name(std::string_view name);

}  // namespace tetrarch::unitfile
