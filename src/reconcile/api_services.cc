// SPDX-License-Identifier: Apache-2.0
// Source of reasons, words and order: kube-aggregator pkg/controllers/status
// (available_controller), pkg/controllers/autoregister and pkg/apis/apiregistration/v1/helper,
// v1.35.
#include "reconcile/api_services.h"

#include <algorithm>

#include <fmt/format.h>

#include "object/names.h"
#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/endpoint_packing.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::View;

constexpr std::string_view kManaged = "kube-aggregator.kubernetes.io/automanaged";
constexpr std::string_view kAvailable = "Available";

bool is_managed(const Stored& api_service) {
  const auto label = api_service.metadata()["labels"][kManaged].string();
  return label == "onstart" || label == "true";
}

/// A service, and which of its ports.
struct Place {
  std::string_view ns;
  std::string_view name;
  std::int64_t port = 0;

  explicit Place(View reference)
      : ns(reference["namespace"].string()),
        name(reference["name"].string()),
        port(reference["port"].integer()) {}
};

Condition failed(std::string reason, std::string message) {
  return {.type = std::string(kAvailable),
          .status = "False",
          .reason = std::move(reason),
          .message = std::move(message)};
}

/// The service's port of that number; absent: there is none.
View port_of(const Stored& service, std::int64_t number) {
  for (const auto port : service.root()["spec"]["ports"].elements()) {
    if (port["port"].integer() == number) {
      return port;
    }
  }
  return {};
}

bool has_port_named(View slice, std::string_view name) {
  for (const auto port : slice["ports"].elements()) {
    if (port["name"].string() == name) {
      return true;
    }
  }
  return false;
}

bool has_ready_endpoint(View slice) {
  for (const auto endpoint : slice["endpoints"].elements()) {
    const auto ready = endpoint["conditions"]["ready"];
    if ((!ready || ready.boolean()) && endpoint["addresses"].size() > 0) {
      return true;
    }
  }
  return false;
}

std::optional<Condition> fault_of_endpoints(const Mirror& seen,
                                            const Place& place,
                                            std::string_view port_name) {
  bool has_slice = false;
  for (const auto* slice : seen.list(kSliceResource, place.ns)) {
    if (slice->metadata()["labels"][kServiceName].string() == place.name) {
      has_slice = true;
      if (has_port_named(slice->root(), port_name) && has_ready_endpoint(slice->root())) {
        return std::nullopt;
      }
    }
  }
  if (!has_slice) {
    return failed(
        "EndpointsNotFound",
        fmt::format("cannot find endpoints for service/{} in \"{}\"", place.name, place.ns));
  }
  return failed(
      "MissingEndpoints",
      fmt::format("endpoints for service/{} in \"{}\" have no addresses with port name {}",
                  place.name,
                  place.ns,
                  object::go_quoted(port_name)));
}

class ApiServices final : public Controller {
 public:
  explicit ApiServices(std::vector<DocumentPtr> local) : local_(std::move(local)) {}

  std::string_view name() const override { return "api-services"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kApiServices), own_key()}};
  }

  std::vector<Key> first_keys() const override {
    std::vector<Key> out;
    for (const auto& each : local_) {
      out.push_back({std::string(kApiServices), "", std::string(name_of(*each))});
    }
    return out;
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto wanted = wanted_of(asked.key.name);
    const auto* stored = asked.seen.get(asked.key);
    if (stored == nullptr) {
      if (wanted) {
        plan.changes.push_back(
            {.verb = Change::Verb::create, .key = asked.key, .document = wanted});
      }
      return plan;
    }
    if (is_terminating(*stored)) {
      return plan;
    }
    if (is_managed(*stored)) {
      keep(*stored, wanted, &plan);
    }
    if (plan.changes.empty() && !is_served_elsewhere(*stored)) {
      const Condition local{.type = std::string(kAvailable),
                            .status = "True",
                            .reason = "Local",
                            .message = "Local APIServices are always available"};
      if (auto told = told_available(*stored, local, asked.now)) {
        plan.changes.push_back(*std::move(told));
      }
    }
    return plan;
  }

 private:
  static std::string_view name_of(const Document& document) {
    return document.root()["metadata"]["name"].string();
  }

  DocumentPtr wanted_of(std::string_view name) const {
    const auto at = std::find_if(local_.begin(), local_.end(), [&](const DocumentPtr& each) {
      return name_of(*each) == name;
    });
    return at == local_.end() ? nullptr : *at;
  }

  /// Whoever takes the label off has it for himself, as in Kubernetes: so a group that is served
  /// here can be given to another server.
  static void keep(const Stored& stored, const DocumentPtr& wanted, Plan* plan) {
    if (!wanted) {
      plan->changes.push_back(removal_of(stored));
    } else if (!same_meaning(stored.root()["spec"], wanted->root()["spec"])) {
      Edit edit(stored);
      edit.root()["spec"] = object::to_tree(wanted->root()["spec"]);
      plan->changes.push_back(update_of(stored, edit.document()));
    }
  }

  const std::vector<DocumentPtr> local_;
};

}  // namespace

bool is_served_elsewhere(const Stored& api_service) {
  return api_service.root()["spec"]["service"].exists();
}

std::optional<Condition> fault_of_backend(const Mirror& seen, const Stored& api_service) {
  const Place place(api_service.root()["spec"]["service"]);
  const auto* service = seen.get("services", place.ns, place.name);
  if (service == nullptr) {
    return failed("ServiceNotFound",
                  fmt::format("service/{} in \"{}\" is not present", place.name, place.ns));
  }
  if (service->root()["spec"]["type"].string() == "ExternalName") {
    return std::nullopt;
  }
  const auto port = port_of(*service, place.port);
  if (!port) {
    return failed(
        "ServicePortError",
        fmt::format(
            "service/{} in \"{}\" is not listening on port {}", place.name, place.ns, place.port));
  }
  return fault_of_endpoints(seen, place, port["name"].string());
}

Condition answer_of_backend(std::string_view problem) {
  if (!problem.empty()) {
    return failed("FailedDiscoveryCheck", std::string(problem));
  }
  return {.type = std::string(kAvailable),
          .status = "True",
          .reason = "Passed",
          .message = "all checks passed"};
}

std::optional<Change> told_available(const Stored& api_service,
                                     const Condition& condition,
                                     TimePoint now) {
  Edit edit(api_service);
  set_condition(Edit::array_in(edit.status(), "conditions"), condition, now);
  if (same_meaning(api_service.root()["status"], edit.root()["status"])) {
    return std::nullopt;
  }
  return update_of(api_service, edit.document(), "status");
}

std::unique_ptr<Controller> api_services_controller(std::vector<DocumentPtr> local) {
  return std::make_unique<ApiServices>(std::move(local));
}

}  // namespace tetrarch::reconcile
