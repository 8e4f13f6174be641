// SPDX-License-Identifier: Apache-2.0
// The text rules of Kubernetes for names, label keys and label values. Each answers with what is
// wrong, in kube-apiserver's words; empty: nothing is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tetrarch::object {

using Faults = std::vector<std::string>;

/// `[prefix/]name`: keys of labels, annotations, taints, finalizers, resources.
Faults label_key_faults(std::string_view text);
Faults label_value_faults(std::string_view text);
/// Lower-case dotted: most object names.
Faults dns_subdomain_faults(std::string_view text);
/// One lower-case label: namespaces, containers, volumes.
Faults dns_label_faults(std::string_view text);

/// "a; b".
std::string joined(const Faults& faults);
/// In double quotes with escapes, as Go's %q prints it.
std::string go_quoted(std::string_view text);

}  // namespace tetrarch::object
