// SPDX-License-Identifier: Apache-2.0
// The Pods behind a Service and the ports they answer on: what Endpoints and EndpointSlices are
// both made from. Heavy header (trees).
#pragma once

#include <string>
#include <vector>

#include "object/tree.h"
#include "reconcile/controller.h"
#include "schema/views/core.h"

namespace tetrarch::reconcile {

/// One Pod that the selector matches and that has an address.
struct ServicePod {
  const Stored* stored = nullptr;
  views::PodView pod;
  bool is_serving = false;  ///< its Ready condition
  bool is_terminating = false;
  bool is_ready = false;  ///< should get traffic: serving and not terminating, or published anyway
};

bool has_selector(views::ServiceView service);
bool is_headless(views::ServiceView service);
/// In order of name; finished Pods and those without an address are left out.
std::vector<ServicePod> pods_of_service(const Mirror& seen, const Stored& service);
/// The Service's ports as this Pod has them, as {name, port, protocol, appProtocol}; a named port
/// that the Pod lacks is left out.
object::TreeArray ports_of_pod(views::ServiceView service, views::PodView pod);
/// The Pod's address of a family ("IPv4", "IPv6"); empty: it has none.
std::string_view address_of(views::PodView pod, std::string_view family);
/// Pod changes that concern a Service: keys of all in its namespace whose selector matches before
/// or after.
Watching::Keys keys_of_selecting_services();

}  // namespace tetrarch::reconcile
