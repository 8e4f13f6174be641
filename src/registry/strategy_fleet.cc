// SPDX-License-Identifier: Apache-2.0
// Kinds of fleet.tetrarch.dev: whoever writes a unit, by fleet's API or by kubectl, gets fleet's
// own checks, and the hash of its text is in its status from the first moment.
#include <fmt/format.h>

#include "object/names.h"
#include "object/quantity.h"
#include "registry/strategy.h"
#include "unitfile/requirements.h"
#include "unitfile/unit_name.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::string_view kOptions = "spec.options";

unitfile::Options options_of(View unit) {
  unitfile::Options out;
  for (const View option : unit.find(kOptions).elements()) {
    out.push_back({std::string(option["section"].string()),
                   std::string(option["name"].string()),
                   std::string(option["value"].string())});
  }
  return out;
}

Status on_create_unit(Write& /*write*/, Draft& draft) {
  draft.set("status",
            fmt::format(R"({{"currentState":"inactive","hash":"{}"}})",
                        unitfile::hash_of(options_of(draft.base()))));
  return ok();
}

/// A change of the text is another unit as far as machines are concerned: nobody sees the old hash
/// with the new text.
Status on_update_unit(Write& /*write*/, View old, Draft& draft) {
  if (draft.base().find(kOptions).same_as(old.find(kOptions))) {
    return ok();
  }
  Overlay status;
  status.member("hash").replace(quoted(unitfile::hash_of(options_of(draft.base()))));
  std::string json;
  object::Writer out(json);
  status.write(out, old["status"]);
  draft.set("status", std::move(json));
  return ok();
}

void check_amount(std::string_view key, const std::string& text, FieldErrors& faults) {
  const auto amount = object::Quantity::parse(text);
  if (!text.empty() && (!amount.ok() || amount->is_negative())) {
    faults.push_back(
        invalid_text(std::string(kOptions),
                     text,
                     fmt::format("{}= in [X-Fleet] must be an amount such as 250m or 64Mi", key)));
  }
}

void check_labels(const unitfile::Requirements& wanted, FieldErrors& faults) {
  for (const auto& [key, value] : wanted.labels) {
    for (const auto& found : {object::label_key_faults(key), object::label_value_faults(value)}) {
      for (const auto& fault : found) {
        faults.push_back(invalid_text(
            std::string(kOptions), key + "=" + value, "Label= in [X-Fleet]: " + fault));
      }
    }
  }
}

void check_unit(View fresh, View /*old*/, FieldErrors& faults) {
  const auto name = fresh["metadata"]["name"].string();
  if (const auto good = unitfile::check_name(name); !good.ok()) {
    faults.push_back(invalid_text("metadata.name", name, good.error().message));
    return;
  }
  const auto options = options_of(fresh);
  const auto wanted = unitfile::read_requirements(name, options);
  for (const auto& good :
       {unitfile::check_options(options), unitfile::check_requirements(wanted)}) {
    if (!good.ok()) {
      faults.push_back(forbidden_field(std::string(kOptions), good.error().message));
    }
  }
  check_amount("CPU", wanted.cpu, faults);
  check_amount("Memory", wanted.memory, faults);
  check_labels(wanted, faults);
  const auto state = fresh.find("spec.desiredState").string();
  if (unitfile::split_name(name).is_template() && state != "inactive") {
    faults.push_back(invalid_text(
        "spec.desiredState", state, fmt::format("cannot activate template \"{}\"", name)));
  }
}

}  // namespace

Strategy units_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.fields = {{"spec.desiredState"}, {"status.currentState"}, {"status.nodeName"}};
  out.on_create = &on_create_unit;
  out.on_update = &on_update_unit;
  out.check = &check_unit;
  return out;
}

Strategy unit_states_strategy() {
  Strategy out;
  out.fields = {{"unit"}, {"machineID"}};
  return out;
}

}  // namespace tetrarch::registry
