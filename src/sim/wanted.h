// SPDX-License-Identifier: Apache-2.0
// The objects that users ask for, as JSON.
#pragma once

#include <string>

#include "sim/users.h"

namespace tetrarch::sim {

std::string workload_json(const App& app);
std::string service_json(const App& app);
std::string budget_json(const App& app);
std::string job_json(const std::string& name, Chance& chance);
std::string pod_json(const std::string& name);

}  // namespace tetrarch::sim
