// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_watch.h"

#include <utility>

#include "client/http/incoming.h"

namespace tetrarch::client {

namespace {
/// Longest event; an object is at most 3 MiB (the server's limit for bodies).
constexpr std::size_t kLineMax = 16 * 1024 * 1024;
}  // namespace

HttpWatch::HttpWatch(std::unique_ptr<net::ResponseStream> stream,
                     std::string resource,
                     const schema::Catalog* catalog,
                     std::vector<WatchEvent> first)
    : stream_(std::move(stream)),
      resource_(std::move(resource)),
      catalog_(catalog),
      first_(std::move(first)) {}

Result<std::vector<WatchEvent>> HttpWatch::take_lines() {
  std::vector<WatchEvent> events;
  std::size_t begin = 0;
  while (true) {
    const auto end = buffer_.find('\n', std::max(begin, searched_));
    if (end == std::string::npos) {
      break;
    }
    const auto line = std::string_view(buffer_).substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) {
      continue;
    }
    auto event = parse_event(resource_, catalog_, line);
    if (!event.ok() && !events.empty()) {
      begin = static_cast<std::size_t>(line.data() -
                                       buffer_.data());  // hand out what is good, fail next time
      break;
    }
    if (!event.ok()) {
      return std::move(event).error();
    }
    events.push_back(std::move(event).value());
  }
  buffer_.erase(0, begin);
  searched_ = events.empty() ? buffer_.size() : 0;
  return events;
}

Task<Result<std::vector<WatchEvent>>> HttpWatch::next() {
  if (!first_.empty()) {
    co_return std::exchange(first_, {});
  }
  while (true) {
    CO_TRY(auto events, take_lines());
    if (!events.empty()) {
      co_return events;
    }
    if (buffer_.size() > kLineMax) {
      co_return Error{Code::too_large, "a watch event is too large"};
    }
    auto piece = co_await stream_->read();
    if (!piece.ok()) {
      // Silence for too long is a lost connection, too.
      co_return Error{Code::unavailable, "the watch was cut off: " + piece.error().message};
    }
    if (piece->empty()) {
      co_return Error{Code::unavailable, "the server ended the watch"};
    }
    buffer_ += *piece;
  }
}

}  // namespace tetrarch::client
