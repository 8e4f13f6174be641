// SPDX-License-Identifier: Apache-2.0
#include "control/leader_election.h"

#include "base/log.h"
#include "object/tree.h"
#include "object/writer.h"

namespace tetrarch::control {

LeaderElection::LeaderElection(client::Client& client, const Clock& clock, Options options)
    : client_(client), clock_(clock), options_(std::move(options)) {}

bool LeaderElection::is_leading() const {
  return renewed_ && clock_.steady() - *renewed_ < options_.renew_deadline;
}

Task<Result<Stored>> LeaderElection::read_or_create() {
  auto read = co_await client_.get(options_.lease);
  if (read || read.error().code != Code::not_found) {
    co_return read;
  }
  std::string json;
  object::Writer out(json);
  out.begin_object().field("kind", "Lease").field("apiVersion", "coordination.k8s.io/v1");
  out.key("metadata").begin_object().field("name", options_.lease.name);
  out.field("namespace", options_.lease.ns).end_object().key("spec").begin_object().end_object();
  out.end_object();
  const auto document = Document::from_canonical(std::move(json));
  client::WriteOptions none;
  co_return co_await client_.create(options_.lease.resource, options_.lease.ns, document, none);
}

bool LeaderElection::is_silent(const Stored& lease) {
  const auto holder = lease.root()["spec"]["holderIdentity"].string();
  if (holder.empty() || holder == options_.identity) {
    return true;
  }
  if (lease.revision != seen_revision_) {
    seen_revision_ = lease.revision;
    seen_at_ = clock_.steady();
  }
  const std::chrono::seconds patience(lease.root()["spec"]["leaseDurationSeconds"].integer(15));
  return clock_.steady() - seen_at_ >= patience;
}

DocumentPtr LeaderElection::claim(const Stored& lease, bool is_ours) const {
  auto tree = object::to_tree(lease.root());
  auto& spec = tree.as_object()["spec"];
  if (!spec.is_object()) {
    spec.emplace_object();
  }
  auto& fields = spec.as_object();
  const auto now = format_micro_time(clock_.now());
  const bool was_ours = lease.root()["spec"]["holderIdentity"].string() == options_.identity;
  if (is_ours && !was_ours) {
    fields["acquireTime"] = now;
    fields["leaseTransitions"] = lease.root()["spec"]["leaseTransitions"].integer() + 1;
  }
  fields["holderIdentity"] = is_ours ? options_.identity : "";
  fields["leaseDurationSeconds"] = is_ours ? options_.duration.count() : 1;
  fields["renewTime"] = now;
  return object::to_document(tree);
}

Task<LeaderElection::Outcome> LeaderElection::attempt() {
  const auto began = clock_.steady();
  const auto lease = co_await read_or_create();
  if (!lease) {
    log::debug("control", "leader lease: {}", lease.error().message);
    co_return is_leading() ? Outcome::leading : Outcome::unknown;
  }
  if (!is_silent(*lease)) {
    renewed_.reset();
    co_return Outcome::following;
  }
  client::WriteOptions options;
  options.expected = lease->revision;
  const auto document = claim(*lease, true);
  const auto written = co_await client_.update(options_.lease, document, options);
  if (written) {
    renewed_ = began;  // the lease counts from before it was written
    co_return Outcome::leading;
  }
  co_return is_leading() ? Outcome::leading : Outcome::unknown;
}

Task<void> LeaderElection::release() {
  if (!is_leading()) {
    co_return;
  }
  renewed_.reset();
  const auto lease = co_await client_.get(options_.lease);
  if (!lease || lease->root()["spec"]["holderIdentity"].string() != options_.identity) {
    co_return;
  }
  client::WriteOptions options;
  options.expected = lease->revision;
  const auto document = claim(*lease, false);
  const auto written = co_await client_.update(options_.lease, document, options);
  if (!written) {
    log::debug("control", "giving the leader lease back: {}", written.error().message);
  }
}

}  // namespace tetrarch::control
