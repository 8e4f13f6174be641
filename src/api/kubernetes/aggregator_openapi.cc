// SPDX-License-Identifier: Apache-2.0
// Aggregator: how the servers behind it describe what they serve.
#include <algorithm>
#include <utility>

#include "api/kubernetes/aggregator.h"

namespace tetrarch::api::kubernetes {
namespace {

using Remote = std::shared_ptr<const RemoteApi>;

// Source: kube-aggregator pkg/controllers/openapi: how often it asks for version 2 (1.35).
constexpr std::chrono::minutes kDescribedFor{1};

bool is_same(const std::vector<schema::ForeignApi>& a, const std::vector<schema::ForeignApi>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.root == other.root && one.document->root().same_as(other.document->root());
  });
}

}  // namespace

Task<std::string> Aggregator::find_openapi(Remote api) const {
  const auto answer = co_await ask(api, "/openapi/v3");
  if (!answer.ok() || answer->status != 200) {
    co_return "";
  }
  const auto parsed = object::Document::parse(answer->body);
  if (!parsed.ok()) {
    co_return "";
  }
  const auto path = api->root().substr(1);
  const auto url = (*parsed)->root()["paths"][path]["serverRelativeURL"].string();
  // What it names must be the path that leads to it through us.
  co_return url.starts_with("/openapi/v3/" + path) ? std::string(url) : "";
}

Task<std::vector<schema::ForeignApi>> Aggregator::ask_descriptions() const {
  std::vector<schema::ForeignApi> out;
  for (const auto& api : remotes()) {
    if (!api->unavailable.empty()) {
      continue;
    }
    const auto answer = co_await ask(api, "/openapi/v2");
    if (answer.ok() && answer->status == 200) {
      if (auto parsed = object::Document::parse(answer->body); parsed.ok()) {
        out.push_back({api->root(), *std::move(parsed)});
      }
    }
  }
  co_return out;
}

Task<std::shared_ptr<const Aggregator::Described>> Aggregator::describe() {
  if (!has_remotes()) {
    co_return nullptr;
  }
  {
    const std::lock_guard lock(mutex_);
    if (described_ && parts_.clock.steady() - described_->asked < kDescribedFor) {
      co_return described_;
    }
  }
  auto apis = co_await ask_descriptions();
  auto fresh = std::make_shared<Described>();
  fresh->asked = parts_.clock.steady();
  fresh->apis = std::move(apis);
  const std::lock_guard lock(mutex_);
  // Made from the same: what was made is good still.
  fresh->kept = described_ && is_same(described_->apis, fresh->apis)
                    ? described_->kept
                    : std::make_shared<KeptDocuments>();
  described_ = fresh;
  co_return fresh;
}

}  // namespace tetrarch::api::kubernetes
