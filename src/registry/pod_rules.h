// SPDX-License-Identifier: Apache-2.0
// What must hold inside a pod spec beyond its schema; for pods and for the templates of workloads.
#pragma once

#include <string>

#include "object/document.h"
#include "registry/errors.h"

namespace tetrarch::registry {

/// `path` is where the spec is: "spec", "spec.template.spec".
void check_pod_spec(const std::string& path, object::View spec, FieldErrors& faults);
/// The selector of a workload must select its template, and restartPolicy be Always.
void check_template(object::View spec, FieldErrors& faults);

}  // namespace tetrarch::registry
