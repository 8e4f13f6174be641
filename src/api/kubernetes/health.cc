// SPDX-License-Identifier: Apache-2.0
// /healthz, /livez, /readyz and /metrics.
// Source: Kubernetes documentation, "Kubernetes API health endpoints".
#include <algorithm>

#include <fmt/core.h>

#include "api/kubernetes/parameters.h"
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

/// "readyz" of "/readyz/{name}".
std::string_view endpoint_of(const Route& route) {
  const auto path = route.path.substr(1);
  return path.substr(0, path.find('/'));
}

struct Report {
  std::string lines;
  std::string failed;
  bool is_known = true;
};

/// Runs all checks of an endpoint, or the one named.
Report run_checks(const Context& context, std::string_view endpoint) {
  const auto& only = context.match.name;
  const auto excluded = context.request.parameters("exclude");
  Report out;
  out.is_known = only.empty() || only == "ping";
  out.lines = "[+]ping ok\n";
  for (const auto& check : context.parts.checks) {
    const bool is_excluded =
        std::find(excluded.begin(), excluded.end(), check.name) != excluded.end();
    if ((endpoint == "livez" && !check.is_for_liveness) || (!only.empty() && only != check.name) ||
        is_excluded) {
      continue;
    }
    out.is_known = true;
    if (check.is_ok()) {
      out.lines += fmt::format("[+]{} ok\n", check.name);
    } else {
      out.lines += fmt::format("[-]{} failed: reason withheld\n", check.name);
      out.failed += out.failed.empty() ? check.name : "," + check.name;
    }
  }
  return out;
}

}  // namespace

Task<Status> serve_health(Context& context) {
  const auto endpoint = endpoint_of(*context.match.route);
  const auto report = run_checks(context, endpoint);
  if (!report.is_known) {
    co_return co_await respond_not_found(context);
  }
  if (!report.failed.empty()) {
    auto body = fmt::format("{}{} check failed\n", report.lines, endpoint);
    co_return co_await respond_text(context, 500, kText, std::move(body));
  }
  std::string body = "ok";
  if (context.request.parameter("verbose")) {
    body = fmt::format("{}{} check passed\n", report.lines, endpoint);
  }
  co_return co_await respond_text(context, 200, kText, std::move(body));
}

Task<Status> serve_metrics(Context& context) {
  auto body = context.parts.metrics.text();
  co_return co_await respond_text(
      context, 200, "text/plain; version=0.0.4; charset=utf-8", std::move(body));
}

}  // namespace tetrarch::api::kubernetes
