// SPDX-License-Identifier: Apache-2.0
// APIServices: one for each group and version that this server serves itself is kept in being; what
// can be told of another's without asking its server is worked out here. Asking is control's
// (control/availability_loop.h).
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

struct Condition;

inline constexpr std::string_view kApiServices = "apiservices.apiregistration.k8s.io";

/// `local`: the APIServices as they are to be. Others that we once made go.
std::unique_ptr<Controller> api_services_controller(std::vector<DocumentPtr> local);

/// Whether another server is to serve it.
bool is_served_elsewhere(const Stored& api_service);

/// Why its server cannot be there, as far as objects tell; nothing: it must be asked.
std::optional<Condition> fault_of_backend(const Mirror& seen, const Stored& api_service);
/// What its server has answered: `problem` empty: well.
Condition answer_of_backend(std::string_view problem);
/// The change that says so; nothing where it is said already.
std::optional<Change> told_available(const Stored& api_service,
                                     const Condition& condition,
                                     TimePoint now);

}  // namespace tetrarch::reconcile
