// SPDX-License-Identifier: Apache-2.0
// From wanted endpoints to EndpointSlices with few writes: endpoints stay in the slice they are in,
// gaps are filled first, a slice holds at most 100. Used for the endpoints of a Service and for
// mirrored Endpoints. Heavy header (trees).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "object/tree.h"
#include "reconcile/controller.h"

namespace tetrarch::reconcile {

// Source: Kubernetes API reference, EndpointSlice, well-known labels.
inline constexpr std::string_view kSliceResource = "endpointslices.discovery.k8s.io";
inline constexpr std::string_view kServiceName = "kubernetes.io/service-name";
inline constexpr std::string_view kManagedBy = "endpointslice.kubernetes.io/managed-by";
// Source: kube-controller-manager flag max-endpoints-per-slice, default.
inline constexpr std::size_t kEndpointsPerSlice = 100;

/// Endpoints that share an address type and their ports, hence may share slices.
struct SliceGroup {
  std::string address_type;             ///< IPv4, IPv6
  object::TreeArray ports;              ///< in a fixed order
  std::vector<object::Tree> endpoints;  ///< in a fixed order
};

struct SliceOwner {
  const Stored& owner;  ///< a Service or an Endpoints: owns the slices
  std::string service;  ///< their kubernetes.io/service-name
  std::string_view managed_by;
  object::TreeObject labels;  ///< further labels of every slice
};

/// The changes that lead from the slices which are there to the groups.
void pack_slices(const Mirror& seen,
                 const SliceOwner& owner,
                 const std::vector<SliceGroup>& groups,
                 Plan* plan);

}  // namespace tetrarch::reconcile
