// SPDX-License-Identifier: Apache-2.0
// Policies and peers for the tests of PolicyTable, written out and by chance. Only tests include
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/network/policy_table.h"
#include "base/check.h"

namespace tetrarch::agent::network {

inline constexpr std::string_view kPolicies = "nodepolicies.network.tetrarch.dev";
inline constexpr std::string_view kPeers = "policypods.network.tetrarch.dev";

inline Change change(std::string_view resource, const std::string& name, const std::string& json) {
  Change out{{std::string(resource), "default", name}, nullptr};
  if (!json.empty()) {
    auto document = Document::parse(json);
    CHECK(document.ok());
    out.document = *document;
  }
  return out;
}

inline Change policy(const std::string& name, const std::string& spec) {
  return change(kPolicies, name, fmt::format(R"({{"spec":{}}})", spec));
}

struct PeerWords {
  std::string name = "web";
  std::string address = "10.42.0.5";
  std::string groups = {};
  std::string policies = {};
  std::string uid = {};  ///< empty: the name
};

inline Change peer(const PeerWords& words) {
  return change(
      kPeers,
      words.name,
      fmt::format(
          R"({{"spec":{{"address":"{}","groups":[{}],"policies":[{}],)"
          R"("ports":[{{"containerPort":8080,"name":"http","protocol":"TCP"}}],"uid":"{}"}}}})",
          words.address,
          words.groups,
          words.policies,
          words.uid.empty() ? words.name : words.uid));
}

inline Change pod(const std::string& name, const std::string& uid = "") {
  return change(
      "pods", name, fmt::format(R"({{"metadata":{{"uid":"{}"}}}})", uid.empty() ? name : uid));
}

inline Change gone(std::string_view resource, const std::string& name) {
  return change(resource, name, "");
}

/// Changes by chance, and what they come to.
class PolicyChance {
 public:
  explicit PolicyChance(std::function<std::uint64_t()> next) : next_(std::move(next)) {}

  unsigned below(unsigned n) { return static_cast<unsigned>(next_() % n); }

  /// One object comes, changes or goes; perhaps a pod of this node, too.
  void change(PolicyTable& table) {
    const auto name = fmt::format("p{}", below(6));
    auto one = below(3) == 0 ? some_policy() : some_peer(name);
    if (below(4) == 0) {
      one.document = nullptr;
      objects_.erase(one.key);
    } else {
      objects_.insert_or_assign(one.key, one);
    }
    objects_.insert_or_assign(pod(name).key, pod(name));
    table.apply({pod(name), one}, false);
    const LocalPod local{name, "default", name, fmt::format("10.42.0.{}", name.substr(1))};
    if (below(6) == 0) {
      table.admit(local);
      locals_.insert_or_assign(name, local);
    } else if (below(6) == 0) {
      table.release(name);
      locals_.erase(name);
    }
  }

  /// The same to a table that knows nothing yet.
  void repeat(PolicyTable& table) const {
    std::vector<Change> all;
    for (const auto& [key, one] : objects_) {
      all.push_back(one);
    }
    table.apply(all, true);
    for (const auto& [name, local] : locals_) {
      table.admit(local);
    }
  }

 private:
  std::string some(std::string_view prefix, unsigned most) {
    std::string out;
    for (unsigned i = 0; i < most; ++i) {
      out += below(2) == 0 ? "" : fmt::format(R"({}"{}{}")", out.empty() ? "" : ",", prefix, i);
    }
    return out;
  }

  Change some_policy() {
    return policy(
        fmt::format("np{}", below(4)),
        fmt::format(
            R"({{"{}":[{{"groups":[{}],"ports":[{{"protocol":"TCP","name":"http"}}]}},)"
            R"({{"groups":[{}],"blocks":[{{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}]}}]}})",
            below(2) == 0 ? "ingress" : "egress",
            some("g", 3),
            some("g", 3)));
  }

  Change some_peer(const std::string& name) {
    PeerWords words;
    words.name = name;
    words.address = fmt::format("10.42.1.{}", below(4));
    words.groups = some("g", 3);
    words.policies = some("np", 4);
    return peer(words);
  }

  const std::function<std::uint64_t()> next_;
  std::map<Key, Change> objects_;
  std::map<std::string, LocalPod> locals_;
};

}  // namespace tetrarch::agent::network
