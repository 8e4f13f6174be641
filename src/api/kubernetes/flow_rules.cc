// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/flow_rules.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "registry/flow_policy.h"
#include "schema/views/flowcontrol.h"

namespace tetrarch::api::kubernetes {
namespace {

using object::View;

constexpr std::string_view kAll = "*";
constexpr std::string_view kCatchAll = "catch-all";

FlowWords words_of(View list) {
  FlowWords out;
  for (const auto word : list.elements()) {
    out.is_any = out.is_any || word.string() == kAll;
    out.words.emplace_back(word.string());
  }
  return out;
}

FlowSubject subject_of(const views::FlowcontrolSubjectView& subject) {
  using Kind = FlowSubject::Kind;
  if (subject.kind() == "User") {
    return {Kind::user, std::string(subject.user().name())};
  }
  if (subject.kind() == "Group") {
    return {Kind::group, std::string(subject.group().name())};
  }
  const auto account = subject.service_account();
  auto user =
      std::string(trust::kServiceAccountUserPrefix).append(account.namespace_()).append(":");
  if (account.name() == kAll) {
    return {Kind::account_of_namespace, std::move(user)};
  }
  return {Kind::user, user.append(account.name())};
}

FlowRule rule_of(View rule) {
  FlowRule out;
  for (const auto subject : rule["subjects"].elements()) {
    out.subjects.push_back(subject_of(views::FlowcontrolSubjectView{subject}));
  }
  for (const auto each : rule["resourceRules"].elements()) {
    out.objects.push_back({words_of(each["verbs"]),
                           words_of(each["apiGroups"]),
                           words_of(each["resources"]),
                           words_of(each["namespaces"]),
                           each["clusterScope"].boolean()});
  }
  for (const auto each : rule["nonResourceRules"].elements()) {
    out.paths.push_back({words_of(each["verbs"]), words_of(each["nonResourceURLs"])});
  }
  return out;
}

FlowSchema schema_of(const Stored& stored) {
  const auto spec = stored.root()["spec"];
  const auto method = spec["distinguisherMethod"]["type"].string();
  FlowSchema out;
  out.name = stored.key.name;
  out.uid = stored.uid();
  out.precedence = spec["matchingPrecedence"].integer();
  out.method = method == "ByUser"        ? FlowSchema::Method::user
               : method == "ByNamespace" ? FlowSchema::Method::ns
                                         : FlowSchema::Method::none;
  out.level_name = spec["priorityLevelConfiguration"]["name"].string();
  for (const auto rule : spec["rules"].elements()) {
    out.rules.push_back(rule_of(rule));
  }
  return out;
}

PriorityLevel level_of(const Stored& stored) {
  const auto spec = stored.root()["spec"];
  PriorityLevel out;
  out.name = stored.key.name;
  out.uid = stored.uid();
  out.is_exempt = spec["type"].string() == "Exempt";
  const auto limits = spec[out.is_exempt ? "exempt" : "limited"];
  out.shares = static_cast<int>(limits["nominalConcurrencyShares"].integer());
  out.lendable_percent = static_cast<int>(limits["lendablePercent"].integer());
  if (const auto percent = limits["borrowingLimitPercent"]) {
    out.borrowing_percent = static_cast<int>(percent.integer());
  }
  if (const auto queuing = limits["limitResponse"]["queuing"]) {
    out.queues = static_cast<std::size_t>(queuing["queues"].integer());
    out.hand = static_cast<std::size_t>(queuing["handSize"].integer());
    out.queue_length = static_cast<std::size_t>(queuing["queueLengthLimit"].integer());
  }
  return out;
}

bool matches_subject(const FlowSubject& subject, const trust::Identity& identity) {
  switch (subject.kind) {
    case FlowSubject::Kind::user:
      return subject.name == kAll || subject.name == identity.user;
    case FlowSubject::Kind::group:
      return subject.name == kAll || identity.is_in(subject.name);
    case FlowSubject::Kind::account_of_namespace:
      return identity.user.starts_with(subject.name);
  }
  return false;
}

bool is_resource_word(std::string_view word, const FlowRequest& asked) {
  if (asked.subresource.empty()) {
    return word == asked.resource;
  }
  const auto length = asked.resource.size();
  return word.size() == length + 1 + asked.subresource.size() && word.starts_with(asked.resource) &&
         word[length] == '/' && word.ends_with(asked.subresource);
}

bool matches_resource(const FlowWords& resources, const FlowRequest& asked) {
  return resources.is_any ||
         std::any_of(resources.words.begin(), resources.words.end(), [&](const auto& word) {
           return is_resource_word(word, asked);
         });
}

bool matches_objects(const FlowRule::Objects& rule, const FlowRequest& asked) {
  const bool is_in_scope = asked.ns.empty() ? rule.is_cluster_scope : rule.namespaces.has(asked.ns);
  return is_in_scope && rule.verbs.has(asked.verb) && rule.groups.has(asked.group) &&
         matches_resource(rule.resources, asked);
}

/// "/healthz" alone, "/healthz/*" what is below it.
bool is_path_word(std::string_view word, std::string_view path) {
  if (!word.ends_with("/*")) {
    return word == path;
  }
  word.remove_suffix(1);
  return path.starts_with(word);
}

bool matches_paths(const FlowRule::Paths& rule, const FlowRequest& asked) {
  return rule.verbs.has(asked.verb) &&
         (rule.paths.is_any ||
          std::any_of(rule.paths.words.begin(), rule.paths.words.end(), [&](const auto& word) {
            return is_path_word(word, asked.path);
          }));
}

bool matches_rule(const FlowRule& rule, const FlowRequest& asked) {
  const bool is_subject =
      std::any_of(rule.subjects.begin(), rule.subjects.end(), [&](const auto& subject) {
        return matches_subject(subject, asked.identity);
      });
  if (!is_subject) {
    return false;
  }
  if (asked.is_resource) {
    return std::any_of(rule.objects.begin(), rule.objects.end(), [&](const auto& each) {
      return matches_objects(each, asked);
    });
  }
  return std::any_of(rule.paths.begin(), rule.paths.end(), [&](const auto& each) {
    return matches_paths(each, asked);
  });
}

/// With the mandatory ones of `first` that are missing.
std::vector<Stored> completed(std::vector<Stored> given, const std::vector<Stored>& first) {
  std::set<std::string> names;
  for (const auto& each : given) {
    names.insert(each.key.name);
  }
  for (const auto& each : first) {
    if (registry::is_mandatory_flow(each.key.name) && !names.contains(each.key.name)) {
      given.push_back(each);
    }
  }
  return given;
}

}  // namespace

FlowObjects first_flow_objects() {
  FlowObjects out;
  for (auto& object : registry::flow_policy()) {
    auto document = Document::from_canonical(std::move(object.json));
    const std::string name(document->root()["metadata"]["name"].string());
    auto& list = object.resource == registry::kFlowSchemas ? out.schemas : out.levels;
    list.push_back({Key{object.resource, "", name}, Revision{}, std::move(document)});
  }
  return out;
}

bool FlowWords::has(std::string_view word) const {
  return is_any || std::find(words.begin(), words.end(), word) != words.end();
}

bool FlowSchema::matches(const FlowRequest& asked) const {
  return std::any_of(
      rules.begin(), rules.end(), [&](const auto& rule) { return matches_rule(rule, asked); });
}

FlowRules::FlowRules(const FlowObjects& objects) {
  const auto first = first_flow_objects();
  for (const auto& level : completed(objects.levels, first.levels)) {
    levels_.push_back(level_of(level));
  }
  for (const auto& stored : completed(objects.schemas, first.schemas)) {
    auto schema = schema_of(stored);
    const auto at = std::find_if(levels_.begin(), levels_.end(), [&](const auto& level) {
      return level.name == schema.level_name;
    });
    if (at != levels_.end()) {
      schema.level = static_cast<std::size_t>(at - levels_.begin());
      schemas_.push_back(std::move(schema));
    }
  }
  std::sort(schemas_.begin(), schemas_.end(), [](const auto& a, const auto& b) {
    return std::tie(a.precedence, a.name) < std::tie(b.precedence, b.name);
  });
  catch_all_ = static_cast<std::size_t>(
      std::find_if(schemas_.begin(),
                   schemas_.end(),
                   [](const auto& schema) { return schema.name == kCatchAll; }) -
      schemas_.begin());
}

const FlowSchema& FlowRules::match(const FlowRequest& asked) const {
  for (const auto& schema : schemas_) {
    if (schema.matches(asked)) {
      return schema;
    }
  }
  return schemas_[catch_all_];  // who is in no group at all
}

}  // namespace tetrarch::api::kubernetes
