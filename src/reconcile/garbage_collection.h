// SPDX-License-Identifier: Apache-2.0
// Garbage collection by owner references, over every resource: what has no owner left is deleted
// (background); an owner that is deleted in the foreground waits for its dependents; one that is
// deleted with orphan lets them go.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// Where objects of a kind live.
struct KindPlace {
  std::string resource;  ///< empty: no such kind
  bool is_namespaced = true;
};

using KindLookup = std::function<KindPlace(std::string_view api_version, std::string_view kind)>;

std::unique_ptr<Controller> garbage_collection_controller(KindLookup lookup);

}  // namespace tetrarch::reconcile
