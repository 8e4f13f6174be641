// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes apiserver, admission plugin ResourceQuota (1.35): order of the checks, texts.
#include "registry/quota.h"

#include <utility>

#include <fmt/format.h>

#include "registry/planner.h"
#include "schema/quota.h"

namespace tetrarch::registry {

using object::View;
using object::Writer;
using schema::Amounts;

namespace {

constexpr std::string_view kQuotas = "resourcequotas";

std::string json_of(const Amounts& amounts) {
  std::string out;
  Writer writer(out);
  writer.begin_object();
  for (const auto& [name, value] : amounts) {
    writer.field(name, value.text());
  }
  writer.end_object();
  return out;
}

/// One write's charges. Lives for one call.
class Charge {
 public:
  Charge(Write& write, const Key& key, View fresh, View old)
      : write_(write), key_(key), fresh_(fresh), old_(old), now_(write.here.clock.now()) {}

  Status apply(const Stored& quota) {
    const View spec = quota.root()["spec"];
    const auto hard = schema::amounts_in(quota.root().find("status.hard"));
    const auto used = schema::amounts_in(quota.root().find("status.used"));
    const auto limited = counted_of(hard);
    if (limited.empty() || !schema::is_in_scope(spec, key_.resource, fresh_)) {
      return ok();
    }
    TRY_STATUS(check_stated(quota, limited));
    TRY_STATUS(check_known(quota, limited, used));
    const auto wanted = wanted_of(spec, limited);
    if (wanted.empty()) {
      return ok();
    }
    auto total = used;
    Amounts exceeded;
    for (const auto& [name, value] : wanted) {
      auto& sum = total[name];
      sum += value;
      if (sum > hard.at(name)) {
        exceeded.emplace(name, value);
      }
    }
    if (!exceeded.empty()) {
      return refused(fmt::format("exceeded quota: {}, requested: {}, used: {}, limited: {}",
                                 quota.key.name,
                                 schema::amounts_text(exceeded),
                                 schema::amounts_text(schema::masked(used, exceeded)),
                                 schema::amounts_text(schema::masked(hard, exceeded))));
    }
    take(quota, total);
    return ok();
  }

 private:
  Amounts counted_of(const Amounts& hard) const {
    Amounts out;
    for (const auto& [name, most] : hard) {
      if (schema::is_counted_by(name, key_.resource)) {
        out.emplace(name, most);
      }
    }
    return out;
  }

  Status check_stated(const Stored& quota, const Amounts& limited) const {
    if (key_.resource != "pods" || old_.exists()) {
      return ok();
    }
    const auto missing = schema::missing_amounts(limited, fresh_["spec"]);
    return missing.empty() ? ok()
                           : Status(refused(fmt::format(
                                 "failed quota: {}: must specify {}", quota.key.name, missing)));
  }

  Status check_known(const Stored& quota, const Amounts& limited, const Amounts& used) const {
    return schema::masked(limited, used).size() == limited.size() ? ok() : unknown(quota, limited);
  }

  Status unknown(const Stored& quota, const Amounts& limited) const {
    std::string names;
    for (const auto& [name, most] : limited) {
      names += (names.empty() ? "" : ",") + name;
    }
    return refused(
        fmt::format("status unknown for quota: {}, resources: {}", quota.key.name, names));
  }

  /// What the object adds: on an update only what grows.
  Amounts wanted_of(View spec, const Amounts& limited) const {
    auto out = schema::masked(schema::usage_of(key_.resource, fresh_, now_), limited);
    if (old_.exists() && schema::is_in_scope(spec, key_.resource, old_)) {
      for (const auto& [name, value] : schema::usage_of(key_.resource, old_, now_)) {
        if (const auto mine = out.find(name); mine != out.end()) {
          mine->second -= value;
        }
      }
    }
    std::erase_if(
        out, [](const auto& each) { return each.second.is_zero() || each.second.is_negative(); });
    return out;
  }

  Error refused(std::string_view why) const {
    return forbidden(qualified(*write_.call.kind), key_.name, why);
  }

  void take(const Stored& quota, const Amounts& total) {
    Overlay change;
    change.member("status").member("used").replace(json_of(total));
    std::string json;
    Writer out(json);
    change.write(out, quota.root());
    write_.transaction.compares.push_back({quota.key, quota.revision});
    write_.transaction.mutations.push_back({quota.key, Document::from_canonical(std::move(json))});
  }

  Write& write_;
  const Key& key_;
  const View fresh_;
  const View old_;
  const TimePoint now_;
};

}  // namespace

Status charge_quotas(Write& write, const Key& key, View fresh, View old) {
  Status answer = ok();
  if (key.ns.empty()) {
    return answer;
  }
  write.snapshot.scan(kQuotas, key.ns, {}, [&](const Stored& quota) {
    answer = Charge(write, key, fresh, old).apply(quota);
    return answer.ok();
  });
  return answer;
}

std::string counted_status(const Write& write, const std::string& ns, View spec) {
  const auto now = write.here.clock.now();
  const auto used = schema::counted(spec, now, [&](std::string_view resource, const auto& visit) {
    write.snapshot.scan(resource, ns, {}, [&](const Stored& each) {
      visit(each.root());
      return true;
    });
  });
  std::string out;
  Writer writer(out);
  writer.begin_object();
  if (spec["hard"]) {
    writer.field("hard", spec["hard"]).key("used").raw(json_of(used));
  }
  writer.end_object();
  return out;
}

Result<Plan> Planner::recount(const Call& call) const {
  const auto snapshot = here_.store.snapshot();
  TRY(const auto old, existing(call, snapshot));
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  Draft draft(storage(*call.kind), old.document);
  draft.set("status", counted_status(write, call.ns, old.root()["spec"]));
  return settle(write, old, draft, Mode::status);
}

}  // namespace tetrarch::registry
