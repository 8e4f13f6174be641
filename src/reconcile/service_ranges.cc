// SPDX-License-Identifier: Apache-2.0
// Ranges that services take addresses from: ready while they are wanted, held while a service has
// an address that is in no other. Source: kube-controller-manager, service-cidrs controller (1.35);
// ours needs no grace period, because a service takes its address from the range as it is in the
// same commit (registry/service_ranges.h), and the registry checks again before the last finalizer
// goes.
#include <algorithm>

#include "base/ipv4.h"
#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/sweeps.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kRanges = "servicecidrs.networking.k8s.io";
constexpr std::string_view kAddresses = "ipaddresses.networking.k8s.io";
constexpr std::string_view kFinalizer = "networking.k8s.io/service-cidr-finalizer";
constexpr std::string_view kManagedBy = "ipaddress.kubernetes.io/managed-by";
constexpr std::string_view kAllocator = "ipallocator.k8s.io";

std::optional<Ipv4Range> range_of(const Stored& cidr) {
  const auto range = Ipv4Range::parse(cidr.root()["spec"]["cidrs"].at(0).string());
  return range.ok() ? std::optional(*range) : std::nullopt;
}

/// Other ranges that stay.
std::vector<Ipv4Range> others_of(const Question& asked) {
  std::vector<Ipv4Range> out;
  for (const auto* each : asked.seen.list(kRanges)) {
    const auto range = range_of(*each);
    if (each->key != asked.key && !is_terminating(*each) && range) {
      out.push_back(*range);
    }
  }
  return out;
}

/// Whether a service has an address in it that is in none of the others.
bool is_needed(const Question& asked, const Stored& cidr) {
  const auto own = range_of(cidr);
  if (!own) {
    return false;
  }
  const auto others = others_of(asked);
  const auto addresses = asked.seen.list(kAddresses);
  return std::any_of(addresses.begin(), addresses.end(), [&](const Stored* each) {
    const auto number = parse_ipv4(each->key.name);
    return number && own->contains(*number) &&
           each->metadata()["labels"][kManagedBy].string() == kAllocator &&
           std::none_of(others.begin(), others.end(), [&](const Ipv4Range& other) {
             return other.contains(*number);
           });
  });
}

/// Nothing where the condition is as it should be.
std::optional<Change> told(const Stored& cidr, const Condition& wanted, TimePoint now) {
  Edit edit(cidr);
  auto& conditions = Edit::array_in(edit.status(), "conditions");
  const auto* there = find_condition(conditions, wanted.type);
  const auto* status = there == nullptr ? nullptr : there->if_contains("status");
  const bool is_right = status != nullptr && status->is_string() &&
                        std::string_view(status->get_string()) == wanted.status &&
                        has_condition(conditions, wanted.type, wanted.reason);
  if (is_right) {
    return std::nullopt;
  }
  set_condition(conditions, wanted, now);
  for (auto& each : conditions) {
    // A metav1.Condition has a reason even where it says nothing.
    each.as_object().insert(TreeObject::value_type("reason", ""));
  }
  return update_of(cidr, edit.document(), "status");
}

/// The range itself, and those that wait for their end: what they wait for may be this.
void keys_of_range(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  if (change.any().key.resource == kRanges) {
    keys.push_back(change.any().key);
  }
  for (const auto* each : seen.list(kRanges)) {
    if (is_terminating(*each)) {
      keys.push_back(each->key);
    }
  }
}

class ServiceRanges final : public Controller {
 public:
  std::string_view name() const override { return "service-ranges"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kRanges), keys_of_range}, {std::string(kAddresses), keys_of_range}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* cidr = asked.seen.get(asked.key);
    if (cidr == nullptr) {
      return plan;
    }
    std::optional<Change> change;
    if (!is_terminating(*cidr)) {
      change = told(*cidr, {"Ready", "True", "", "Kubernetes Service CIDR is ready"}, asked.now);
    } else if (is_needed(asked, *cidr)) {
      change = told(*cidr,
                    {"Ready",
                     "False",
                     "Terminating",
                     "There are still IPAddresses referencing the ServiceCIDR, please remove them "
                     "or create a new ServiceCIDR"},
                    asked.now);
    } else if (has_finalizer(*cidr)) {
      change = update_of(*cidr, without_finalizer(*cidr, kFinalizer));
    }
    if (change) {
      plan.changes.push_back(*std::move(change));
    }
    return plan;
  }

 private:
  static bool has_finalizer(const Stored& cidr) {
    for (const object::View each : cidr.metadata()["finalizers"].elements()) {
      if (each.string() == kFinalizer) {
        return true;
      }
    }
    return false;
  }
};

}  // namespace

std::unique_ptr<Controller> service_ranges_controller() {
  return std::make_unique<ServiceRanges>();
}

}  // namespace tetrarch::reconcile
