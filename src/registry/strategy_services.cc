// SPDX-License-Identifier: Apache-2.0
// Services: addresses and node ports are given and taken in the commit that changes the service.
#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include "registry/claims.h"
#include "registry/service_ranges.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::string_view kNone = "None";

/// One create or update of a service while its addresses are worked out.
class Assignment {
 public:
  Assignment(Write& write, View old, Draft& draft)
      : write_(write), old_(old["spec"]), draft_(draft), spec_(draft.base()["spec"]) {
    if (old.exists()) {
      held_ = claims_of(old);
    }
  }

  Status run() {
    const auto type = spec_["type"].string("ClusterIP");
    drop_fields_of_old_type(type);
    // Source: Kubernetes pkg/apis/core/v1, SetDefaults_Service (1.35): clients switch affinity off
    // and send its settings back.
    if (spec_["sessionAffinity"].string() == "None" && spec_["sessionAffinityConfig"].exists()) {
      draft_.drop("spec.sessionAffinityConfig");
    }
    if (type == "ExternalName") {
      drop_address();
      drop_node_ports();
    } else {
      TRY_STATUS(check_families());
      TRY_STATUS(assign_address());
      if (type == "NodePort" || type == "LoadBalancer") {
        TRY_STATUS(assign_ports(type));
      } else {
        drop_node_ports();
      }
    }
    if (!faults_.empty()) {
      return invalid("Service", draft_.meta.name, std::move(faults_));
    }
    change_claims(
        write_, wanted_, held_, {draft_.meta.ns, draft_.meta.name, write_.now, write_.here.random});
    return ok();
  }

 private:
  /// What only the old type had goes with it, where the caller just sent it back unchanged.
  void drop_fields_of_old_type(std::string_view type) {
    // Source: Kubernetes pkg/api/service, ExternallyAccessible (1.35).
    const bool is_external = type == "NodePort" || type == "LoadBalancer" ||
                             (type == "ClusterIP" && spec_["externalIPs"].size() > 0);
    const auto drop_unchanged = [&](std::string_view field) {
      if (old_[field].exists() && spec_[field].same_as(old_[field])) {
        draft_.drop("spec." + std::string(field));
      }
    };
    if (!is_external) {
      drop_unchanged("externalTrafficPolicy");
    }
    if (type != "LoadBalancer") {
      drop_unchanged("allocateLoadBalancerNodePorts");
      drop_unchanged("loadBalancerClass");
      drop_unchanged("loadBalancerSourceRanges");
    }
    if (type != "ExternalName") {
      drop_unchanged("externalName");
    }
  }

  Status check_families() {
    std::size_t place = 0;
    for (const View family : spec_["ipFamilies"].elements()) {
      if (family.string() != "IPv4") {
        faults_.push_back(invalid_text(fmt::format("spec.ipFamilies[{}]", place),
                                       family.string(),
                                       "not configured on this cluster"));
      }
      ++place;
    }
    if (spec_["ipFamilyPolicy"].string() == "RequireDualStack") {
      faults_.push_back(invalid_text("spec.ipFamilyPolicy",
                                     "RequireDualStack",
                                     "this cluster is not configured for dual-stack services"));
    }
    draft_.set("spec.ipFamilies", R"(["IPv4"])");
    if (spec_["ipFamilyPolicy"].string().empty()) {
      draft_.set("spec.ipFamilyPolicy", R"("SingleStack")");
    }
    return ok();
  }

  std::string asked_address() const {
    const auto first = spec_["clusterIPs"].at(0).string();
    const auto own = spec_["clusterIP"].string();
    if (own.empty() && first.empty() && old_["type"].string() != "ExternalName") {
      return std::string(old_["clusterIP"].string());
    }
    return std::string(own.empty() ? first : own);
  }

  Status assign_address() {
    auto address = asked_address();
    const View list = spec_["clusterIPs"];
    if (list.size() > 1) {
      faults_.push_back(invalid_value("spec.clusterIPs",
                                      list.raw(),
                                      "may only hold one address: this cluster is single-stack"));
      return ok();
    }
    if (list.size() == 1 && spec_["clusterIP"] &&
        spec_["clusterIP"].string() != list.at(0).string()) {
      faults_.push_back(
          invalid_value("spec.clusterIPs", list.raw(), "first value must match `clusterIP`"));
      return ok();
    }
    const auto before = old_["clusterIP"].string();
    if (!before.empty() && address != before) {
      faults_.push_back(invalid_value(
          "spec.clusterIPs[0]", fmt::format("[\"{}\"]", address), "may not change once set"));
      return ok();
    }
    if (address.empty()) {
      TRY(address, give_address());
    } else if (address != kNone && address != before) {
      check_asked_address(address);
    }
    draft_.set_text("spec.clusterIP", address);
    draft_.set("spec.clusterIPs", fmt::format("[\"{}\"]", address));
    if (address != kNone) {
      wanted_.insert(address_claim(address));
    }
    return ok();
  }

  /// The ranges that addresses come from now.
  std::vector<ServiceRange> ready_ranges() const {
    auto out = service_ranges(write_.snapshot);
    std::erase_if(out, [](const ServiceRange& each) { return !each.is_ready; });
    return out;
  }

  Result<std::string> give_address() {
    const auto ready = ready_ranges();
    std::vector<AddressRange> ranges;
    for (const auto& each : ready) {
      ranges.push_back(each.range);
    }
    auto picked = pick_address(write_, ranges);
    if (!picked) {
      return Error{Code::internal,
                   ready.empty() ? "failed to allocate a serviceIP: no ServiceCIDR is ready"
                                 : "failed to allocate a serviceIP: range is full"};
    }
    rely_on(ready[picked->range]);
    return std::move(picked->text);
  }

  /// The commit fails where the range has changed or gone by then.
  void rely_on(const ServiceRange& range) {
    write_.transaction.compares.push_back({range.key, range.revision});
  }

  void check_asked_address(const std::string& address) {
    const auto ranges = ready_ranges();
    const auto number = parse_ipv4(address);
    const auto range = std::find_if(ranges.begin(), ranges.end(), [&](const ServiceRange& each) {
      return number && each.range.contains(*number);
    });
    const auto value = fmt::format("[\"{}\"]", address);
    if (!number) {
      faults_.push_back(
          invalid_text("spec.clusterIPs[0]",
                       address,
                       "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
    } else if (range == ranges.end()) {
      faults_.push_back(invalid_value(
          "spec.clusterIPs",
          value,
          fmt::format(
              "failed to allocate IP {}: the provided IP ({}) is not in the valid range. The "
              "range of valid IPs is {}",
              address,
              address,
              text_of(ranges))));
    } else if (write_.snapshot.get(address_claim(address))) {
      faults_.push_back(invalid_value(
          "spec.clusterIPs",
          value,
          fmt::format("failed to allocate IP {}: provided IP is already allocated", address)));
    } else {
      rely_on(*range);
    }
  }

  static std::string text_of(const std::vector<ServiceRange>& ranges) {
    std::string out;
    for (const auto& each : ranges) {
      out += (out.empty() ? "" : ", ") + each.range.text();
    }
    return out;
  }

  /// Of a service without one; an address that the caller asks for stays, to be refused.
  void drop_address() {
    const bool is_old = spec_["clusterIP"].string().empty() ||
                        spec_["clusterIP"].string() == old_["clusterIP"].string();
    if (is_old) {
      draft_.drop("spec.clusterIP");
      draft_.drop("spec.clusterIPs");
    }
    draft_.drop("spec.ipFamilies");
    draft_.drop("spec.ipFamilyPolicy");
  }

  /// Whether the caller sent back the node ports that the service has.
  bool sends_old_ports() const {
    std::set<std::int64_t> fresh;
    std::set<std::int64_t> before;
    for (const View port : spec_["ports"].elements()) {
      fresh.insert(port["nodePort"].integer());
    }
    for (const View port : old_["ports"].elements()) {
      before.insert(port["nodePort"].integer());
    }
    return fresh == before;
  }

  /// Of a service that turns into one without; ports that the caller asks for stay, to be refused.
  void drop_node_ports() {
    const bool is_old = sends_old_ports();
    std::size_t place = 0;
    for (const View port : spec_["ports"].elements()) {
      if (port["nodePort"].exists() && (is_old || port["nodePort"].integer() == 0)) {
        port_change(place, "nodePort").drop();
      }
      ++place;
    }
    drop_health_port();
  }

  void drop_health_port() {
    const View health = spec_["healthCheckNodePort"];
    if (health.exists() && (health.integer() == 0 || health.same_as(old_["healthCheckNodePort"]))) {
      draft_.drop("spec.healthCheckNodePort");
    }
  }

  Overlay& port_change(std::size_t place, std::string_view field) {
    return draft_.changes.member("spec").member("ports").element(place).member(field);
  }

  /// The node port that the same port had before.
  std::int64_t earlier_port(View port) const {
    for (const View before : old_["ports"].elements()) {
      if (before["port"].integer() == port["port"].integer() &&
          before["protocol"].string() == port["protocol"].string()) {
        return before["nodePort"].integer();
      }
    }
    return 0;
  }

  Status assign_ports(std::string_view type) {
    if (spec_["externalTrafficPolicy"].string().empty()) {
      draft_.set("spec.externalTrafficPolicy", R"("Cluster")");
    }
    const bool allocates =
        type == "NodePort" || spec_["allocateLoadBalancerNodePorts"].boolean(true);
    if (type == "LoadBalancer" && !spec_["allocateLoadBalancerNodePorts"]) {
      draft_.set("spec.allocateLoadBalancerNodePorts", "true");
    }
    std::size_t place = 0;
    for (const View port : spec_["ports"].elements()) {
      TRY_STATUS(assign_port(place++, port, allocates));
    }
    if (type == "LoadBalancer" && spec_["externalTrafficPolicy"].string() == "Local") {
      return assign_health_port();
    }
    drop_health_port();
    return ok();
  }

  Status assign_port(std::size_t place, View port, bool allocates) {
    const auto protocol = port["protocol"].string("TCP");
    auto number = port["nodePort"].integer();
    if (number == 0) {
      number = earlier_port(port);
      if (number != 0 && wanted_.contains(port_claim(protocol, number))) {
        number = 0;
      }
    } else {
      check_asked_port(fmt::format("spec.ports[{}].nodePort", place), protocol, number);
    }
    if (number == 0 && allocates) {
      const auto picked = pick_port(write_, protocol, wanted_);
      if (!picked) {
        return Error{Code::internal, "failed to allocate a nodePort: range is full"};
      }
      number = *picked;
    }
    if (number != 0) {
      port_change(place, "nodePort").replace(std::to_string(number));
      wanted_.insert(port_claim(protocol, number));
    }
    return ok();
  }

  Status assign_health_port() {
    auto number = spec_["healthCheckNodePort"].integer();
    if (number == 0) {
      number = old_["healthCheckNodePort"].integer();
    } else {
      check_asked_port("spec.healthCheckNodePort", "TCP", number);
    }
    if (number == 0) {
      const auto picked = pick_port(write_, "TCP", wanted_);
      if (!picked) {
        return Error{Code::internal, "failed to allocate a nodePort: range is full"};
      }
      number = *picked;
    }
    draft_.set("spec.healthCheckNodePort", std::to_string(number));
    wanted_.insert(port_claim("TCP", number));
    return ok();
  }

  void check_asked_port(const std::string& path, std::string_view protocol, std::int64_t number) {
    const auto& options = write_.here.options;
    const auto claim = port_claim(protocol, number);
    if (number < options.node_port_min || number > options.node_port_max) {
      faults_.push_back(invalid_value(
          path,
          std::to_string(number),
          fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}",
                      options.node_port_min,
                      options.node_port_max)));
    } else if (wanted_.contains(claim) || (!held_.contains(claim) && write_.snapshot.get(claim))) {
      faults_.push_back(
          invalid_value(path, std::to_string(number), "provided port is already allocated"));
    }
  }

  Write& write_;
  View old_;
  Draft& draft_;
  View spec_;
  std::set<Key> held_;
  std::set<Key> wanted_;
  FieldErrors faults_;
};

Status on_create(Write& write, Draft& draft) {
  draft.set("status", R"({"loadBalancer":{}})");
  return Assignment(write, {}, draft).run();
}

Status on_update(Write& write, View old, Draft& draft) {
  if (draft.meta.name.empty()) {
    draft.meta.name = write.call.name;
  }
  draft.meta.ns = write.call.ns;
  return Assignment(write, old, draft).run();
}

void on_gone(Write& write, View old) {
  change_claims(write, {}, claims_of(old), {"", "", write.now, write.here.random});
}

}  // namespace

Strategy services_strategy() {
  Strategy out;
  out.has_status = true;
  out.creates_on_update = true;
  out.fields = {{"spec.clusterIP"}, {"spec.type"}};
  out.on_create = &on_create;
  out.on_update = &on_update;
  out.on_gone = &on_gone;
  return out;
}

}  // namespace tetrarch::registry
