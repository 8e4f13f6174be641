// SPDX-License-Identifier: Apache-2.0
#include "app/audit_setup.h"

#include <fmt/core.h>

#include "app/machine.h"
#include "object/document.h"
#include "object/yaml.h"

namespace tetrarch::app {
namespace {

constexpr std::uint64_t kMegabyte = 1024 * 1024;

Result<DocumentPtr> read_policy(const std::string& path) {
  TRY(const auto yaml, read_file(path));
  TRY(const auto json, object::json_of_yaml(yaml));
  return object::Document::parse(json);
}

}  // namespace

AuditSetup::AuditSetup(AuditFileOptions options, async::BlockingPool& pool, Metrics& metrics)
    : file(std::move(options), pool, metrics, system_clock()) {
  log.write = [this](std::string line) { file.write(std::move(line)); };
}

Result<std::unique_ptr<AuditSetup>> open_audit(const Config& config,
                                               async::BlockingPool& pool,
                                               Metrics& metrics) {
  if (config.audit_log_path.empty()) {
    return std::unique_ptr<AuditSetup>();
  }
  const auto in_file = [&config](const Error& error) {
    return Error{Code::invalid, fmt::format("{}: {}", config.audit_policy_file, error.message)};
  };
  const auto document = read_policy(config.audit_policy_file);
  if (!document.ok()) {
    return in_file(document.error());
  }
  auto policy = api::kubernetes::AuditPolicy::parse((*document)->root());
  if (!policy.ok()) {
    return in_file(policy.error());
  }
  AuditFileOptions options;
  options.path = config.audit_log_path;
  options.size_max = static_cast<std::uint64_t>(config.audit_log_maxsize) * kMegabyte;
  options.backups_max = static_cast<std::size_t>(config.audit_log_maxbackup);
  options.age_max = std::chrono::hours(24) * config.audit_log_maxage;
  auto out = std::make_unique<AuditSetup>(std::move(options), pool, metrics);
  out->log.policy = *std::move(policy);
  TRY_STATUS(out->file.open());
  return out;
}

}  // namespace tetrarch::app
