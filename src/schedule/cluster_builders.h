// SPDX-License-Identifier: Apache-2.0
// Nodes and pods for the tests of this room, with one-line overrides. Only tests include it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "object/stored.h"
#include "schedule/cluster.h"

namespace tetrarch::schedule {

inline Stored make(std::string resource, std::string ns, std::string name, std::string json) {
  auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << json;
  return {{std::move(resource), std::move(ns), std::move(name)}, Revision{1}, *document};
}

struct NodeSpec {
  std::string name = "n1";
  std::string cpu = "4";
  std::string memory = "8Gi";
  std::string pods = "110";
  std::string labels = "{}";
  std::string spec = "{}";
};

inline Stored a_node(const NodeSpec& spec) {
  return make("nodes",
              "",
              spec.name,
              fmt::format(R"({{"kind":"Node","metadata":{{"name":"{}","labels":{}}},"spec":{},
                "status":{{"allocatable":{{"cpu":"{}","memory":"{}","pods":"{}"}}}}}})",
                          spec.name,
                          spec.labels,
                          spec.spec,
                          spec.cpu,
                          spec.memory,
                          spec.pods));
}

struct PodSpec {
  std::string name = "p";
  std::string requests = R"({"cpu":"1"})";
  std::string more = "";  ///< further members of spec, each with a leading comma
  std::string labels = R"({"app":"a"})";
  std::string ports = "[]";
  std::string node = "";
  std::string metadata = "";  ///< further members of metadata, each with a leading comma
  std::string status = "{}";
};

inline Stored a_pod(const PodSpec& spec) {
  const std::string node = spec.node.empty() ? "" : fmt::format(R"(,"nodeName":"{}")", spec.node);
  return make(
      "pods",
      "default",
      spec.name,
      fmt::format(
          R"({{"kind":"Pod","metadata":{{"name":"{}","namespace":"default","uid":"u-{}","labels":{}{}}},
                "spec":{{"containers":[{{"name":"c","resources":{{"requests":{}}},
       "ports":{}}}]{}{}}},"status":{}}})",
          spec.name,
          spec.name,
          spec.labels,
          spec.metadata,
          spec.requests,
          spec.ports,
          spec.more,
          node,
          spec.status));
}

/// A PodDisruptionBudget for the pods of an app.
inline Stored a_budget(const std::string& app, int allowed) {
  return make("poddisruptionbudgets.policy",
              "default",
              "for-" + app,
              fmt::format(R"({{"metadata":{{"name":"for-{0}"}},"spec":{{"selector":
                {{"matchLabels":{{"app":"{0}"}}}}}},"status":{{"disruptionsAllowed":{1}}}}})",
                          app,
                          allowed));
}

inline Cluster& with_nodes(Cluster& cluster, const std::vector<NodeSpec>& nodes) {
  for (const NodeSpec& node : nodes) {
    cluster.upsert_node(a_node(node));
  }
  return cluster;
}

}  // namespace tetrarch::schedule
