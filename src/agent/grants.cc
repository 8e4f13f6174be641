// SPDX-License-Identifier: Apache-2.0
#include "agent/grants.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/resources.h"
#include "object/quantity.h"
#include "object/tree.h"
#include "object/writer.h"

namespace tetrarch::agent {
namespace {

using object::View;

constexpr const char* kLists[] = {"initContainers", "containers"};
constexpr std::string_view kStatuses[] = {"initContainerStatuses", "containerStatuses"};

bool same_amount(View a, View b, std::string_view resource) {
  return a[resource].exists() == b[resource].exists() &&
         object::milli_value_of(a[resource]) == object::milli_value_of(b[resource]);
}

bool has_other(View a, View b, std::string_view resource) {
  return !same_amount(a["requests"], b["requests"], resource) ||
         !same_amount(a["limits"], b["limits"], resource);
}

/// requests from what was granted, limits from what was carried out: a limit is granted with its
/// request and told once it holds.
std::string told_resources(View status, View spec) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object();
  const View limits = status["resources"]["limits"];
  if (limits.size() > 0) {
    writer.field("limits", limits);
  }
  writer.field("requests", status["allocatedResources"]);
  if (spec["claims"].exists()) {
    writer.field("claims", spec["claims"]);
  }
  writer.end_object();
  return out;
}

std::optional<Reason> lack(std::string_view what, std::string message) {
  return Reason{std::string(what), std::move(message)};
}

}  // namespace

Grants wanted_grants(views::PodView pod) {
  Grants out;
  for (const auto* list : kLists) {
    for (const View container : pod.spec().view()[list].elements()) {
      const View resources = container["resources"];
      out[std::string(container["name"].string())] =
          resources.exists() ? std::string(resources.raw()) : "{}";
    }
  }
  return out;
}

Grants told_grants(views::PodView pod) {
  auto out = wanted_grants(pod);
  for (const auto list : kStatuses) {
    for (const View status : pod.status().view()[list].elements()) {
      const auto at = out.find(status["name"].string());
      if (at != out.end() && status["allocatedResources"].size() > 0) {
        const auto spec = Document::from_canonical(at->second);
        at->second = told_resources(status, spec->root());
      }
    }
  }
  return out;
}

DocumentPtr with_grants(const DocumentPtr& pod, const Grants& grants) {
  const views::PodView view(pod->root());
  const auto wanted = wanted_grants(view);
  const bool is_same = std::all_of(wanted.begin(), wanted.end(), [&](const auto& entry) {
    const auto at = grants.find(entry.first);
    return at == grants.end() || at->second == entry.second;
  });
  if (is_same) {
    return pod;
  }
  auto tree = object::to_tree(pod->root());
  auto& spec = tree.get_object()["spec"].get_object();
  for (const auto* list : kLists) {
    if (!spec.contains(list)) {
      continue;
    }
    for (auto& each : spec[list].get_array()) {
      auto& container = each.get_object();
      const auto name = container["name"].get_string();
      if (const auto at = grants.find(std::string_view(name.data(), name.size()));
          at != grants.end()) {
        container["resources"] = object::to_tree(Document::from_canonical(at->second)->root());
      }
    }
  }
  return object::to_document(tree);
}

bool same_amounts(View a, View b) {
  return !has_other(a, b, "cpu") && !has_other(a, b, "memory");
}

bool needs_restart(views::ContainerView container, View from, View to) {
  for (const auto policy : container.resize_policy()) {
    if (policy.restart_policy() == "RestartContainer" &&
        has_other(from, to, policy.resource_name())) {
      return true;
    }
  }
  return false;
}

Room request_of(views::PodView pod) {
  return {pod_request(pod, "cpu"), pod_request(pod, "memory")};
}

std::optional<Reason> resize_refusal(views::PodView wanted, const Room& all, const Room& used) {
  const auto asked = request_of(wanted);
  // Source: kubelet, allocation manager (v1.35): the reasons and sentences of PodResizePending.
  if (asked.memory_bytes > all.memory_bytes) {
    return lack("Infeasible",
                fmt::format("Node didn't have enough capacity: memory, requested: {}, capacity: {}",
                            asked.memory_bytes,
                            all.memory_bytes));
  }
  if (asked.cpu_milli > all.cpu_milli) {
    return lack("Infeasible",
                fmt::format("Node didn't have enough capacity: cpu, requested: {}, capacity: {}",
                            asked.cpu_milli,
                            all.cpu_milli));
  }
  constexpr std::string_view kText =
      "Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}";
  if (used.cpu_milli + asked.cpu_milli > all.cpu_milli) {
    return lack("Deferred",
                fmt::format(kText, "cpu", asked.cpu_milli, used.cpu_milli, all.cpu_milli));
  }
  if (used.memory_bytes + asked.memory_bytes > all.memory_bytes) {
    return lack(
        "Deferred",
        fmt::format(kText, "memory", asked.memory_bytes, used.memory_bytes, all.memory_bytes));
  }
  return std::nullopt;
}

runtime::Resources larger(const runtime::Resources& a, const runtime::Resources& b) {
  const auto limit = [](std::int64_t one, std::int64_t other) {
    return one == 0 || other == 0 ? 0 : std::max(one, other);
  };
  runtime::Resources out = b;
  out.cpu_shares = std::max(a.cpu_shares, b.cpu_shares);
  out.cpu_quota_us = limit(a.cpu_quota_us, b.cpu_quota_us);
  out.cpu_period_us = out.cpu_quota_us > 0 ? std::max(a.cpu_period_us, b.cpu_period_us) : 0;
  out.memory_limit_bytes = limit(a.memory_limit_bytes, b.memory_limit_bytes);
  return out;
}

}  // namespace tetrarch::agent
