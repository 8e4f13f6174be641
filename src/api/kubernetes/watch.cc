// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/watch.h"

#include <algorithm>

#include <boost/asio/this_coro.hpp>

#include "api/kubernetes/body.h"
#include "api/kubernetes/partial.h"
#include "api/kubernetes/table.h"
#include "async/ticker.h"
#include "base/log.h"

namespace tetrarch::api::kubernetes {
namespace {

// Between two looks at whether a watch is to end.
constexpr std::chrono::milliseconds kStepMin{10};
// By so much of the time that a slow client has it may be cut late.
constexpr int kSlowParts = 4;

// Source: Kubernetes API reference v1.35, WatchEvent v1 meta.
std::string_view word(client::EventType type) {
  switch (type) {
    case client::EventType::added:
      return "ADDED";
    case client::EventType::modified:
      return "MODIFIED";
    case client::EventType::deleted:
      return "DELETED";
    case client::EventType::bookmark:
      return "BOOKMARK";
  }
  return "ERROR";
}

std::string line_head(client::EventType type) {
  return R"({"type":")" + std::string(word(type)) + R"(","object":)";
}

net::Body text_body(std::string text) {
  BodyBuilder builder;
  builder.add_text(text);
  return builder.take();
}

net::Body partial_lines(std::span<const client::WatchEvent> events, std::string_view meta_version) {
  std::string out;
  for (const auto& event : events) {
    out += line_head(event.type);
    append_partial(out, event.object, meta_version);
    out += "}\n";
  }
  return text_body(std::move(out));
}

/// One table of one row per event; only the first names the columns.
class TableLines {
 public:
  TableLines(const Context& context, IncludeObject include)
      : kind_(*context.kind),
        meta_version_(context.representation.meta_version),
        include_(include),
        clock_(context.parts.clock) {}

  net::Body operator()(std::span<const client::WatchEvent> events) {
    const TableOptions options{kind_, meta_version_, include_, clock_.now()};
    std::string out;
    for (const auto& event : events) {
      const bool is_bookmark = event.type == client::EventType::bookmark;
      const auto rows = is_bookmark ? std::vector<Stored>{} : std::vector<Stored>{event.object};
      const auto metadata =
          R"({"resourceVersion":")" + std::to_string(event.object.revision.number) + "\"}";
      out += line_head(event.type) + make_table(options, rows, metadata, !has_columns_) + "}\n";
      has_columns_ = true;
    }
    return text_body(std::move(out));
  }

 private:
  const schema::Kind& kind_;
  std::string meta_version_;
  IncludeObject include_;
  const Clock& clock_;
  bool has_columns_ = false;
};

Result<WatchStream::Print> printer(Context& context) {
  switch (context.representation.form) {
    case Form::object:
      return WatchStream::Print(event_lines);
    case Form::metadata:
      return WatchStream::Print([version = context.representation.meta_version](auto events) {
        return partial_lines(events, version);
      });
    case Form::table: {
      TRY(const auto include, include_object(context.request));
      return WatchStream::Print(TableLines(context, include));
    }
  }
  return WatchStream::Print(event_lines);
}

std::chrono::seconds timeout_of(const Context& context, const ListParameters& parameters) {
  if (parameters.timeout_s.value_or(0) > 0) {
    return std::chrono::seconds(*parameters.timeout_s);
  }
  // Spread, so that the watches of a whole cluster do not end together.
  const auto least = context.parts.options.watch_timeout_min;
  const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(least.count(), 1));
  return least + std::chrono::seconds(context.parts.random.next() % spread);
}

}  // namespace

net::Body event_lines(std::span<const client::WatchEvent> events) {
  BodyBuilder builder(events.size());
  for (const auto& event : events) {
    builder.add_text(line_head(event.type));
    if (event.object.document) {
      builder.add_object(event.object.document, event.object.revision);
    } else {
      // A feed's bookmark is a revision and nothing else.
      builder.add_text(R"({"metadata":{"resourceVersion":")" +
                       std::to_string(event.object.revision.number) + "\"}}");
    }
    builder.add_text("}\n");
  }
  return builder.take();
}

Task<Status> serve_watch(Context& context, ListParameters parameters) {
  CO_TRY(auto print, printer(context));
  registry::WatchOptions options;
  options.select = parameters.list.select;
  options.at = parameters.list.at;
  options.wants_bookmarks = parameters.wants_bookmarks;
  options.sends_initial_events = parameters.sends_initial_events;
  CO_TRY(auto watch, co_await context.parts.registry.watch(context.call(), std::move(options)));
  const StreamLimits limits{timeout_of(context, parameters), context.parts.options.slow_client_max};
  context.open = std::make_unique<WatchStream>(context, std::move(watch), limits, std::move(print));
  co_return ok();
}

WatchStream::WatchStream(Context& context,
                         std::unique_ptr<client::Watch> watch,
                         StreamLimits limits,
                         Print print)
    : context_(context),
      watch_(std::move(watch)),
      limits_(limits),
      print_(std::move(print)),
      started_(context.parts.clock.steady()) {}

Task<Status> WatchStream::run() {
  context_.answered = 200;
  auto headers = make_headers(context_, "application/json");
  CO_TRY_STATUS(co_await context_.exchange.start(200, std::move(headers)));
  context_.exchange.on_client_gone([breaker = breaker_] { breaker->cut(); });
  const auto strand = co_await asio::this_coro::executor;
  constexpr std::chrono::nanoseconds kAtOnce{0};
  const async::Ticker looks(strand, kAtOnce, [this] { return look(); });
  co_await breaker_->run(pump());
  if (end_ == End::none || end_ == End::client_gone) {
    co_return ok();
  }
  co_return co_await context_.exchange.finish();
}

/// The first to say how it ended is right: the loser is cancelled and may still take a step.
void WatchStream::end(End how) {
  if (end_ == End::none) {
    end_ = how;
  }
}

Task<void> WatchStream::pump() {
  while (end_ == End::none) {
    auto events = co_await watch_->next();
    net::Body body;
    if (events.ok()) {
      body = print_(*events);
    } else {
      body = text_body(R"({"type":"ERROR","object":)" + failure_json(events.error(), Subject{}) +
                       "}\n");
    }
    write_started_ = context_.parts.clock.steady();
    is_writing_ = true;
    const auto written = co_await context_.exchange.write(std::move(body));
    is_writing_ = false;
    if (!written.ok()) {
      end(End::client_gone);
    } else if (!events.ok()) {
      end(End::done);
    }
  }
}

std::chrono::nanoseconds WatchStream::look() {
  const auto now = context_.parts.clock.steady();
  if (context_.exchange.is_client_gone()) {
    end(End::client_gone);
  } else if (is_writing_ && now - write_started_ > limits_.slow_client_max) {
    log::info("api",
              "a watch of {} by {} is cut: too slow",
              context_.match.resource,
              context_.identity.user);
    end(End::client_gone);
  } else if (!is_writing_ && now - started_ >= limits_.timeout) {
    end(End::time_up);
  }
  if (end_ != End::none) {
    breaker_->cut();
  }
  return until_next_look();
}

std::chrono::nanoseconds WatchStream::until_next_look() const {
  const auto now = context_.parts.clock.steady();
  const std::chrono::nanoseconds left = started_ + limits_.timeout - now;
  const std::chrono::nanoseconds step = limits_.slow_client_max / kSlowParts;
  return std::max<std::chrono::nanoseconds>(std::min(left, step), kStepMin);
}

}  // namespace tetrarch::api::kubernetes
