// SPDX-License-Identifier: Apache-2.0
// Table output (meta.k8s.io Table): what `kubectl get` prints. Columns come from the schema; a
// column's source is JSONPath templates, or the name of a function in kComputed (table_*.cc).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/parameters.h"
#include "base/clock.h"
#include "object/stored.h"
#include "schema/catalog.h"

namespace tetrarch::api::kubernetes {

struct TableOptions {
  const schema::Kind& kind;
  std::string meta_version;
  IncludeObject include = IncludeObject::metadata;
  TimePoint now = {};
};

/// The whole Table object. `metadata` is the JSON of its metadata.
std::string make_table(const TableOptions& options,
                       std::span<const Stored> items,
                       std::string_view metadata,
                       bool has_columns);

/// A cell as JSON: a string, a number or a boolean.
using Cell = std::string;

/// The cell of a computed column.
using Compute = Cell (*)(const Stored& object, TimePoint now);

struct Computed {
  std::string_view name;
  Compute compute;
};

/// Null: no such name.
Compute find_computed(std::string_view name);

// One list per file; find_computed looks through all.
std::span<const Computed> pod_columns();
std::span<const Computed> node_columns();
std::span<const Computed> service_columns();
std::span<const Computed> workload_columns();
std::span<const Computed> batch_columns();
std::span<const Computed> policy_columns();
std::span<const Computed> networking_columns();
std::span<const Computed> image_columns();
std::span<const Computed> other_columns();

Cell text_cell(std::string_view text);
Cell int_cell(std::int64_t value);

/// "5d", "3h2m", "14m", "90s": as kubectl shows ages. `<unknown>` for an absent time, `<invalid>`
/// for the future.
std::string human_duration(std::chrono::seconds duration);
std::string human_age(std::string_view rfc3339, TimePoint now);

}  // namespace tetrarch::api::kubernetes
