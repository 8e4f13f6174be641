// SPDX-License-Identifier: Apache-2.0
// Namespaces: one that is being deleted is emptied of every kind there is, then finalized; one that
// is not gets its `default` ServiceAccount and the cluster's CA as ConfigMap `kube-root-ca.crt`;
// kube-system also what other API servers know ours and its users by.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// `namespaced`: every resource that can live in a namespace.
std::unique_ptr<Controller> namespace_lifecycle_controller(std::vector<std::string> namespaced);
/// `ca_pem` empty: no CA is published. `authentication`: the data of kube-system's ConfigMap
/// `extension-apiserver-authentication`; empty: there is none.
std::unique_ptr<Controller> namespace_defaults_controller(
    const std::string& ca_pem, std::map<std::string, std::string> authentication = {});

}  // namespace tetrarch::reconcile
