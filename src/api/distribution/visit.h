// SPDX-License-Identifier: Apache-2.0
// Visit: one request among all that come to this port, whatever their API: its place in the order
// of priority levels, and its lines in the audit log. A seam: app joins it to the Kubernetes API's.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"
#include "registry/registry.h"
#include "trust/identity.h"

namespace tetrarch::api::distribution {

/// What is asked. Refers to what its handler owns.
struct Purpose {
  const trust::Identity& who;  ///< empty: nobody is known
  const registry::Attributes& about;
  const net::Request& request;
  bool moves_blob = false;  ///< may last: it gives its place back as soon as it has had it
};

/// Lives in its handler's frame.
class Visit {
 public:
  virtual ~Visit() = default;
  /// Nobody is known by what was shown.
  virtual void note_stranger(const Purpose& purpose) = 0;
  /// Waits for its turn. Code::exhausted: too many wait already.
  virtual Task<Status> enter(const Purpose& purpose) = 0;
  /// The answer has begun and will last.
  virtual void started(int status) = 0;
  /// `code` and `message`: what a refused client reads; else empty.
  virtual void complete(int status, std::string_view code, std::string_view message) = 0;
};

using Visits = std::function<std::unique_ptr<Visit>()>;

}  // namespace tetrarch::api::distribution
