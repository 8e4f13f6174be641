// SPDX-License-Identifier: Apache-2.0
// The body of a request on its way through this room: there as a whole, as most are, or still
// arriving, where it is passed on piece by piece (proxied requests). Part of a Context; one strand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "async/task.h"
#include "base/result.h"
#include "net/upload_handler.h"

namespace tetrarch::api::kubernetes {

class RequestBody {
 public:
  /// All of it.
  explicit RequestBody(std::string whole = {}) : early_(std::move(whole)) {}

  /// `rest` outlives it; what it says of the client's failures passes through.
  RequestBody(std::string early, net::BodyReader& rest) : early_(std::move(early)), rest_(&rest) {}

  /// It has not been read whole by the server.
  bool is_arriving() const { return rest_ != nullptr; }

  bool is_at_end() const { return early_.empty() && (rest_ == nullptr || rest_->is_whole()); }

  /// How much read() will give, where that is known. `declared`: the Content-Length.
  std::optional<std::uint64_t> size(std::string_view declared) const;
  /// The next piece; empty at the end.
  Task<Result<std::string>> read();
  /// All that is left. Code::too_large: it is more than a request may have that is held whole.
  Task<Result<std::string>> gather();

 private:
  std::string early_;
  net::BodyReader* rest_ = nullptr;
};

}  // namespace tetrarch::api::kubernetes
