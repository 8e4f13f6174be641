// SPDX-License-Identifier: Apache-2.0
// A Watch over a streamed response: one JSON event per line.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "net/client.h"
#include "schema/catalog.h"

namespace tetrarch::client {

class HttpWatch final : public Watch {
 public:
  /// `first` are events to hand out before the stream's. `catalog` null: all events are of
  /// `resource`.
  HttpWatch(std::unique_ptr<net::ResponseStream> stream,
            std::string resource,
            const schema::Catalog* catalog,
            std::vector<WatchEvent> first = {});

  Task<Result<std::vector<WatchEvent>>> next() override;

 private:
  /// Whole lines in buffer_.
  Result<std::vector<WatchEvent>> take_lines();

  std::unique_ptr<net::ResponseStream> stream_;
  const std::string resource_;
  const schema::Catalog* catalog_;
  std::vector<WatchEvent> first_;
  std::string buffer_;
  std::size_t searched_ = 0;  // no line end before this place
};

}  // namespace tetrarch::client
