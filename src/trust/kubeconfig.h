// SPDX-License-Identifier: Apache-2.0
// The text of a kubeconfig: how kubectl and every other client finds and trusts the cluster.
#pragma once

#include <string>

#include "trust/ca.h"

namespace tetrarch::trust {

struct KubeconfigOptions {
  std::string cluster = "tetrarch";
  std::string server;  ///< https://host:port
  std::string ca_pem;
  std::string user = "admin";
  KeyPair credentials = {};  ///< empty: use `token`
  std::string token = {};
  std::string ns = {};  ///< empty: no default namespace
};

/// YAML with everything inline.
std::string make_kubeconfig(const KubeconfigOptions& options);

}  // namespace tetrarch::trust
