// SPDX-License-Identifier: Apache-2.0
// The columns of quotas, certificate signing requests, flow schemas and APIServices.
// Seen: kubectl get quota,csr, 1.20 to 1.35.
#include <fmt/core.h>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

/// "cpu: 0/1, pods: 1/2", of the limits or of all others.
Cell quota_cell(const Stored& quota, bool is_limits) {
  const auto status = quota.root()["status"];
  std::string out;
  for (const auto& [name, hard] : status["hard"].members()) {
    if (name.starts_with("limits") == is_limits) {
      const auto used = status["used"][name].string("0");
      out += fmt::format("{}{}: {}/{}", out.empty() ? "" : ", ", name, used, hard.string());
    }
  }
  return text_cell(out);
}

Cell quota_requests_cell(const Stored& quota, TimePoint /*now*/) {
  return quota_cell(quota, false);
}

Cell quota_limits_cell(const Stored& quota, TimePoint /*now*/) {
  return quota_cell(quota, true);
}

Cell csr_duration_cell(const Stored& request, TimePoint /*now*/) {
  const auto seconds = request.root().find("spec.expirationSeconds");
  return text_cell(seconds ? human_duration(std::chrono::seconds(seconds.integer())) : "<none>");
}

Cell csr_condition_cell(const Stored& request, TimePoint /*now*/) {
  std::string approval;
  bool has_failed = false;
  const auto status = request.root()["status"];
  for (const auto condition : status["conditions"].elements()) {
    const auto type = condition["type"].string();
    if (type == "Denied" || (type == "Approved" && approval.empty())) {
      approval = type;
    }
    has_failed = has_failed || type == "Failed";
  }
  std::string out = approval.empty() ? "Pending" : approval;
  out += has_failed ? ",Failed" : "";
  out += status["certificate"].string().empty() ? "" : ",Issued";
  return text_cell(out);
}

/// Source: Kubernetes pkg/printers/internalversion, printFlowSchema, v1.35.
Cell flow_missing_level_cell(const Stored& schema, TimePoint /*now*/) {
  for (const auto condition : schema.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Dangling") {
      return text_cell(condition["status"].string());
    }
  }
  return text_cell("?");
}

/// Source: kube-aggregator pkg/registry/apiservice/etcd/etcd.go, ConvertToTable, v1.35.
Cell api_service_cell(const Stored& api_service, TimePoint /*now*/) {
  const auto service = api_service.root()["spec"]["service"];
  return text_cell(
      service ? fmt::format("{}/{}", service["namespace"].string(), service["name"].string())
              : "Local");
}

Cell api_available_cell(const Stored& api_service, TimePoint /*now*/) {
  for (const auto condition : api_service.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Available") {
      const auto status = condition["status"].string();
      const auto reason = condition["reason"].string();
      const bool says_why = status != "True" && !reason.empty();
      return text_cell(says_why ? fmt::format("{} ({})", status, reason) : std::string(status));
    }
  }
  return text_cell("Unknown");
}

constexpr Computed kColumns[] = {
    {"api-service", api_service_cell},
    {"api-available", api_available_cell},
    {"quota-requests", quota_requests_cell},
    {"quota-limits", quota_limits_cell},
    {"csr-duration", csr_duration_cell},
    {"csr-condition", csr_condition_cell},
    {"flow-missing-level", flow_missing_level_cell},
};

}  // namespace

std::span<const Computed> policy_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
