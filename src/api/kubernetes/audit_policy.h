// SPDX-License-Identifier: Apache-2.0
// Which requests are written to the audit log, and how much of each: a Policy of audit.k8s.io/v1.
// Made once, at the start; immutable.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/document.h"

namespace tetrarch::api::kubernetes {

enum class AuditLevel : std::uint8_t { none, metadata, request, request_response };
std::string_view word_of(AuditLevel level);

enum class AuditStage : std::uint8_t { request_received, response_started, response_complete };
std::string_view word_of(AuditStage stage);

/// What a request is about, as rules see it.
struct AuditSubject {
  std::string_view user;
  std::span<const std::string> groups;
  std::string_view verb;
  bool is_resource = false;
  std::string_view path;  ///< where it is no resource
  std::string_view group;
  std::string_view resource;
  std::string_view subresource;
  std::string_view ns;
  std::string_view name;
};

struct AuditRule {
  struct Resources {
    std::string group;
    std::vector<std::string> resources;
    std::vector<std::string> names;
  };

  AuditLevel level = AuditLevel::none;
  std::vector<std::string> users;
  std::vector<std::string> groups;
  std::vector<std::string> verbs;
  std::vector<Resources> resources;
  std::vector<std::string> namespaces;
  std::vector<std::string> paths;
  std::uint8_t omitted_stages = 0;  ///< a bit per AuditStage; those of the policy included
  bool omits_managed_fields = false;

  bool matches(const AuditSubject& subject) const;

  bool omits(AuditStage stage) const {
    return (omitted_stages >> static_cast<unsigned>(stage) & 1U) != 0;
  }
};

class AuditPolicy {
 public:
  /// Code::invalid names the rule and the field at fault.
  static Result<AuditPolicy> parse(object::View policy);

  /// The first rule that matches; one of level none where none does.
  const AuditRule& rule_for(const AuditSubject& subject) const;

 private:
  std::vector<AuditRule> rules_;
  AuditRule nothing_;
};

}  // namespace tetrarch::api::kubernetes
