// SPDX-License-Identifier: Apache-2.0
// FlowRules: flow schemas and priority levels, compiled once per change; says of a request which
// schema it belongs to. Immutable, so read by all threads.
// Source: Kubernetes API reference v1.35, FlowSchema v1 and PriorityLevelConfiguration v1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "object/stored.h"
#include "trust/identity.h"

namespace tetrarch::api::kubernetes {

/// The objects that say who is served when.
struct FlowObjects {
  std::vector<Stored> schemas;
  std::vector<Stored> levels;
};

/// Those that a cluster begins with; they have no uid yet.
FlowObjects first_flow_objects();

/// What is asked, as far as schemas look at it.
struct FlowRequest {
  const trust::Identity& identity;
  std::string_view verb;
  bool is_resource = false;
  std::string_view group = {};
  std::string_view resource = {};
  std::string_view subresource = {};
  std::string_view ns = {};
  std::string_view path = {};  ///< where it is no resource
};

struct PriorityLevel {
  std::string name;
  std::string uid = {};
  bool is_exempt = false;
  int shares = 0;
  int lendable_percent = 0;
  std::optional<int> borrowing_percent = {};  ///< absent: any number
  std::size_t queues = 0;                     ///< 0: what gets no seat is refused
  std::size_t hand = 0;
  std::size_t queue_length = 0;
};

/// A list of words, or everything.
struct FlowWords {
  bool is_any = false;
  std::vector<std::string> words = {};
  bool has(std::string_view word) const;
};

struct FlowSubject {
  enum class Kind : std::uint8_t { user, group, account_of_namespace };
  Kind kind = Kind::user;
  std::string name;  ///< "*": all; of a namespace's accounts, what their user names begin with
};

struct FlowRule {
  struct Objects {
    FlowWords verbs;
    FlowWords groups;
    FlowWords resources;
    FlowWords namespaces;
    bool is_cluster_scope = false;
  };

  struct Paths {
    FlowWords verbs;
    FlowWords paths;
  };

  std::vector<FlowSubject> subjects;
  std::vector<Objects> objects;
  std::vector<Paths> paths;
};

struct FlowSchema {
  enum class Method : std::uint8_t { none, user, ns };
  std::string name;
  std::string uid = {};
  std::int64_t precedence = 0;
  Method method = Method::none;
  std::string level_name = {};
  std::size_t level = 0;  ///< its place in FlowRules::levels()
  std::vector<FlowRule> rules = {};

  bool matches(const FlowRequest& asked) const;
};

class FlowRules {
 public:
  /// A schema without its level is left out. Mandatory objects that are missing are as a cluster
  /// begins with them.
  explicit FlowRules(const FlowObjects& objects);

  const FlowSchema& match(const FlowRequest& asked) const;

  const std::vector<PriorityLevel>& levels() const { return levels_; }

 private:
  std::vector<PriorityLevel> levels_;
  std::vector<FlowSchema> schemas_;  // those with a level, in the order in which they are asked
  std::size_t catch_all_ = 0;        // its place in schemas_
};

}  // namespace tetrarch::api::kubernetes
