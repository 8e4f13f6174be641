// SPDX-License-Identifier: Apache-2.0
#include "app/leave.h"

#include <fmt/format.h>

#include "agent/down.h"
#include "app/machine.h"
#include "app/node.h"
#include "app/node_certificate.h"
#include "base/encoding.h"
#include "trust/ca.h"
#include "trust/identity.h"

namespace tetrarch::app {
namespace {

constexpr std::string_view kLeases =
    "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/";

void tell(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);  // a journal shows it while the rest goes on
}

/// Who the machine is: it may have joined under another name than its own.
Result<std::string> name_in(const std::string& certificate_pem) {
  TRY(const auto certificate, trust::read_certificate(certificate_pem));
  const auto& user = certificate.subject.common_name;
  if (!user.starts_with(trust::kNodeUserPrefix)) {
    return Error{Code::invalid, fmt::format("the certificate is of {}, not of a node", user)};
  }
  return user.substr(trust::kNodeUserPrefix.size());
}

}  // namespace

Leave::Leave(std::string data_dir, std::string node, std::unique_ptr<Connection> connection)
    : data_dir_(std::move(data_dir)), node_(std::move(node)), connection_(std::move(connection)) {}

Result<std::unique_ptr<Leave>> Leave::prepare(const Config& config) {
  const JoinFiles files(config);
  TRY(const auto pair, read_pair(files));
  if (!pair) {
    return Error{Code::invalid,
                 fmt::format("the machine has joined no cluster with {}; where the control plane "
                             "runs, `tetrarch down` ends all of it",
                             config.data_dir)};
  }
  TRY(auto node, name_in(pair->certificate_pem));
  const auto noted = read_file(files.server());
  if (config.server.empty() && !noted.ok()) {
    return Error{Code::invalid, "say where the server is: --server https://HOST:PORT"};
  }
  TRY(const auto ca, read_file(files.ca()));
  TRY(auto tls, net::TlsContext::for_client({pair->certificate_pem, pair->key_pem, ca}));
  net::ClientOptions to;
  to.url = config.server.empty() ? *noted : config.server;
  TRY(auto connection, Connection::open(std::move(to), std::move(tls)));
  return std::make_unique<Leave>(config.data_dir, std::move(node), std::move(connection));
}

/// What a drain leaves: they end in order, each with its grace.
Status Leave::end_last_pods() {
  net::ClientOptions to;
  to.url = "unix://" + agent_socket(data_dir_);
  to.request_limit = std::chrono::hours(1);
  TRY(const auto agent, Connection::open(std::move(to), nullptr));
  net::ClientRequest ask;
  ask.method = "POST";
  ask.target = "/pods/end";
  const auto done = agent->ask(std::move(ask));
  // Where no agent runs, what it left is ended when it is taken down.
  return done.ok() || done.error().code == Code::unavailable ? ok() : Status(done.error());
}

Status Leave::move_work(const Terms& terms) {
  TRY_STATUS(drain_or_force(*connection_, node_, terms));
  return end_last_pods();
}

/// What is gone already is success.
Status Leave::remove_from_api(const std::string& path) {
  const auto gone = connection_->ask_api("DELETE", path);
  return gone.ok() || gone.error().code == Code::not_found ? ok() : Status(gone.error());
}

/// Of DaemonSets, of the machine's own manifests, and where it is forced all that did not go.
/// Nothing of them runs any more.
Status Leave::remove_last_pods() {
  TRY(const auto pods,
      connection_->ask_api("GET",
                           "/api/v1/pods?fieldSelector=spec.nodeName%3D" + percent_encode(node_)));
  for (const auto pod : pods->root()["items"].elements()) {
    TRY_STATUS(remove_from_api(fmt::format("/api/v1/namespaces/{}/pods/{}?gracePeriodSeconds=0",
                                           pod["metadata"]["namespace"].string(),
                                           percent_encode(pod["metadata"]["name"].string()))));
  }
  return ok();
}

Status drain_or_force(Connection& connection, const std::string& node, const Leave::Terms& terms) {
  const auto drained = drain(connection, node, terms.timeout);
  if (!drained.ok() && drained.error().code == Code::timeout && terms.is_forced) {
    tell(drained.error().message + "; leaving all the same");
    return ok();
  }
  return drained;
}

Status Leave::forget() {
  // First what runs: nothing may be made anew elsewhere while it is still here.
  TRY_STATUS(agent::take_down(data_dir_, false));
  TRY_STATUS(remove_from_api(node_path(node_)));
  TRY_STATUS(remove_last_pods());
  TRY_STATUS(remove_from_api(std::string(kLeases) + percent_encode(node_)));
  tell(fmt::format("node {} is forgotten by the cluster", node_));
  // The credentials last: until here it can be tried again.
  TRY_STATUS(agent::take_down(data_dir_, true));
  tell("its pods, their network and its credentials are removed from this machine");
  return ok();
}

}  // namespace tetrarch::app
