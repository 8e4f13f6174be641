// SPDX-License-Identifier: Apache-2.0
// What servers ask of this node over reach: logs, exec, attach, port-forward, connections, stats,
// blobs.
// Each request is one stream: the answer line first, then raw bytes or (exec, attach) channel
// frames.
#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "agent/agent_impl.h"
#include "agent/journal.h"
#include "agent/log_reader.h"
#include "agent/port_forward.h"
#include "async/together.h"
#include "object/writer.h"
#include "reach/answer.h"
#include "reach/frames.h"

namespace tetrarch::agent {
namespace {

using reach::Channel;

/// What a request is about, as a worker knows it.
struct Target {
  runtime::Container container;  ///< the attempt asked for
  std::string sandbox_id;        ///< empty: the pod has none yet
  std::string pod_uid;
  std::string address;  ///< of the pod; empty: it has none yet
};

Error no_container(std::string_view container, std::string_view pod, std::string_view why) {
  return {Code::malformed, fmt::format("container \"{}\" in pod \"{}\" {}", container, pod, why)};
}

Result<Target> choose(const PodWorker& worker, object::View request) {
  Target out;
  const auto name = request["container"].string();
  const auto pod = request["pod"].string();
  out.pod_uid = worker.uid();
  out.address = worker.address();
  if (worker.seen().sandbox && worker.seen().sandbox->is_ready) {
    out.sandbox_id = worker.seen().sandbox->id;
  }
  const auto kind = request["kind"].string();
  if (kind == "portforward" || kind == "connect" || kind == "stats") {
    return out;
  }
  const auto at = worker.seen().containers.find(name);
  if (at == worker.seen().containers.end() || !at->second.current) {
    return no_container(name, pod, "is waiting to start: ContainerCreating");
  }
  if (request["previous"].boolean()) {
    if (!at->second.previous) {
      return Error{
          Code::malformed,
          fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", name, pod)};
    }
    out.container = *at->second.previous;
    if (at->second.current->log_path == out.container.log_path) {
      return Error{
          Code::malformed,
          fmt::format(
              "container \"{}\" in pod \"{}\" was held and went on: its log is one", name, pod)};
    }
    return out;
  }
  out.container = *at->second.current;
  if (kind != "logs" && out.container.state != runtime::ContainerState::running) {
    return no_container(name, pod, "is not running");
  }
  return out;
}

/// {"metadata":{},"status":"Success"}, or what clients read an exit code from.
/// Source: Kubernetes, remotecommand v4: Status with reason NonZeroExitCode and cause ExitCode.
std::string exit_status(const Result<int>& code) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("metadata").begin_object().end_object();
  if (code.ok() && *code == 0) {
    writer.field("status", "Success").end_object();
    return out;
  }
  writer.field("status", "Failure");
  if (!code.ok()) {
    writer.field("message", code.error().message).field("reason", "InternalError").end_object();
    return out;
  }
  writer.field("message",
               fmt::format("command terminated with non-zero exit code: exit code {}", *code));
  writer.field("reason", "NonZeroExitCode")
      .key("details")
      .begin_object()
      .key("causes")
      .begin_array();
  writer.begin_object()
      .field("reason", "ExitCode")
      .field("message", std::to_string(*code))
      .end_object();
  writer.end_array().end_object().end_object();
  return out;
}

Task<void> pump_out(runtime::Session& session, net::Stream& stream) {
  while (true) {
    auto chunk = co_await session.read();
    if (!chunk.ok() || chunk->bytes.empty()) {
      break;
    }
    std::string frames;
    reach::append_channel_frame(
        frames, chunk->is_error_stream ? Channel::err : Channel::out, chunk->bytes);
    const auto written = co_await stream.write(frames);
    if (!written.ok()) {
      co_return;
    }
  }
  const auto code = co_await session.wait();
  std::string last;
  reach::append_channel_frame(last, Channel::status, exit_status(code));
  static_cast<void>(co_await stream.write(last));
}

Task<Status> take_frame(runtime::Session& session, reach::ChannelFrame frame) {
  switch (frame.channel) {
    case Channel::in:
      co_return co_await session.write(std::move(frame.payload));
    case Channel::close:
      if (frame.payload == std::string(1, '\0')) {
        co_return co_await session.close_stdin();
      }
      co_return ok();
    case Channel::resize: {
      const auto size = Document::parse(frame.payload);
      if (size.ok()) {
        const runtime::TerminalSize wanted{
            static_cast<std::uint32_t>((*size)->root()["Width"].integer()),
            static_cast<std::uint32_t>((*size)->root()["Height"].integer())};
        static_cast<void>(co_await session.resize(wanted));
      }
      co_return ok();
    }
    default:
      co_return ok();
  }
}

/// Ends when the client has gone.
Task<void> pump_in(runtime::Session& session, net::Stream& stream) {
  reach::ChannelDecoder decoder;
  std::string buffer(16384, '\0');
  while (true) {
    const auto count = co_await stream.read(buffer.data(), buffer.size());
    if (!count.ok() || *count == 0) {
      co_return;
    }
    decoder.feed(std::string_view(buffer).substr(0, *count));
    while (true) {
      auto frame = decoder.next();
      if (!frame.ok()) {
        co_return;
      }
      if (!frame->has_value()) {
        break;
      }
      static_cast<void>(co_await take_frame(session, std::move(**frame)));
    }
  }
}

Task<Status> answer(net::Stream& stream, Status outcome) {
  co_return co_await stream.write(reach::format_answer(outcome));
}

Task<void> serve_session(runtime::Runtime& runtime,
                         Target target,
                         DocumentPtr request,
                         net::Stream& stream) {
  const auto root = request->root();
  Result<std::unique_ptr<runtime::Session>> session = Error{Code::internal, "not begun"};
  if (root["kind"].string() == "attach") {
    session = co_await runtime.attach(target.container.id, root["stdin"].boolean());
  } else {
    runtime::ExecOptions options;
    for (const auto word : root["command"].elements()) {
      options.command.emplace_back(word.string());
    }
    options.has_stdin = root["stdin"].boolean();
    options.has_tty = root["tty"].boolean();
    session = co_await runtime.start_exec(target.container.id, std::move(options));
  }
  if (!session.ok()) {
    static_cast<void>(co_await answer(stream, session.error()));
    co_return;
  }
  if (!(co_await answer(stream, ok())).ok()) {
    co_return;
  }
  co_await async::first_of(pump_out(**session, stream), pump_in(**session, stream));
}

Task<void> serve_logs(runtime::Runtime& runtime,
                      async::BlockingPool& blocking,
                      Target target,
                      DocumentPtr request,
                      net::Stream& stream) {
  const auto wishes = log_wishes(request->root(), system_clock().now());
  LogReader reader(target.container.log_path, wishes, blocking);
  const auto begun = co_await reader.begin();
  if (!(co_await answer(stream, begun)).ok() || !begun.ok()) {
    co_return;
  }
  bool is_over = false;
  while (!reader.is_full()) {
    const auto text = co_await reader.read();
    if (!text.ok()) {
      break;
    }
    if (!text->text.empty() && !(co_await stream.write(text->text)).ok()) {
      co_return;
    }
    if (text->has_more) {
      continue;
    }
    if (!wishes.is_following || is_over) {
      break;
    }
    const auto now = co_await runtime.container(target.container.id);
    is_over = !now.ok() || now->state != runtime::ContainerState::running;
    if (is_over) {
      reader.stop_following();
    } else {
      co_await reader.wait();
    }
  }
  static_cast<void>(co_await stream.shut_write());
}

Task<void> serve_stats(runtime::Runtime& runtime, Target target, net::Stream& stream) {
  const auto stats = co_await runtime.stats(target.pod_uid);
  if (!stats.ok()) {
    static_cast<void>(co_await answer(stream, stats.error()));
    co_return;
  }
  std::string out;
  object::Writer writer(out);
  writer.begin_array();
  for (const auto& one : *stats) {
    const auto name = one.labels.find(runtime::kLabelContainerName);
    writer.begin_object().field("container",
                                name == one.labels.end() ? std::string() : name->second);
    writer.field("cpuNanoseconds", static_cast<std::int64_t>(one.cpu_nanoseconds));
    writer.field("memoryWorkingSetBytes", static_cast<std::int64_t>(one.memory_working_set_bytes));
    writer.field("memoryUsageBytes", static_cast<std::int64_t>(one.memory_usage_bytes));
    writer.field("diskBytes", static_cast<std::int64_t>(one.disk_bytes)).end_object();
  }
  writer.end_array();
  if ((co_await answer(stream, ok())).ok()) {
    static_cast<void>(co_await stream.write(out));
    static_cast<void>(co_await stream.shut_write());
  }
}

Task<void> serve_pod(runtime::Runtime& runtime,
                     async::BlockingPool& blocking,
                     Target target,
                     DocumentPtr request,
                     net::Stream& stream) {
  const auto kind = request->root()["kind"].string();
  const int port = static_cast<int>(request->root()["port"].integer());
  if (kind == "logs") {
    co_await serve_logs(runtime, blocking, std::move(target), std::move(request), stream);
  } else if (kind == "exec" || kind == "attach") {
    co_await serve_session(runtime, std::move(target), std::move(request), stream);
  } else if (kind == "portforward") {
    co_await serve_forward(runtime, blocking, std::move(target.sandbox_id), port, stream);
  } else if (kind == "connect") {
    co_await serve_connection(std::move(target.address), port, stream);
  } else if (kind == "stats") {
    co_await serve_stats(runtime, std::move(target), stream);
  } else {
    const Error unknown{Code::unimplemented,
                        fmt::format("this agent knows no request \"{}\"", kind)};
    static_cast<void>(co_await answer(stream, unknown));
  }
}

/// The unit that the request is about, on the agent's strand; empty: it is about no unit.
Task<std::string> find_unit(const UnitKeeper& units, std::string uid) {
  const auto* unit = units.find(uid);
  co_return unit == nullptr ? std::string() : unit->wish.name;
}

/// A unit has no container and no network of its own: what there is, is the machine's.
Task<void> serve_unit(std::string unit,
                      object::View request,
                      const std::string& address,
                      async::BlockingPool& blocking,
                      net::Stream& stream) {
  const auto kind = request["kind"].string();
  const int port = static_cast<int>(request["port"].integer());
  if (kind == "logs") {
    if (request["previous"].boolean()) {
      const Error one{Code::malformed, fmt::format("the journal of unit {} is one", unit)};
      static_cast<void>(co_await answer(stream, one));
      co_return;
    }
    const auto wishes = log_wishes(request, system_clock().now());
    co_await serve_journal(std::move(unit), wishes, blocking, stream);
  } else if (kind == "portforward") {
    co_await serve_connection("127.0.0.1", port, stream);
  } else if (kind == "connect") {
    co_await serve_connection(address, port, stream);
  } else if (kind == "stats") {
    if ((co_await answer(stream, ok())).ok()) {
      static_cast<void>(co_await stream.write("[]"));  // no container's
      static_cast<void>(co_await stream.shut_write());
    }
  } else {
    const Error none{Code::malformed,
                     fmt::format("unit {} runs on the machine itself, in no container: use "
                                 "fleetctl ssh, or ssh and systemctl",
                                 unit)};
    static_cast<void>(co_await answer(stream, none));
  }
}

/// Looks at the workers, on the agent's strand.
Task<std::optional<Result<Target>>> find_target(
    std::map<std::string, std::shared_ptr<PodWorker>>& workers, DocumentPtr request) {
  auto at = workers.find(std::string(request->root()["uid"].string()));
  if (at == workers.end()) {
    // What the API shows of a static pod has a uid of its own.
    const Key key{"pods",
                  std::string(request->root()["namespace"].string()),
                  std::string(request->root()["pod"].string())};
    at = std::find_if(workers.begin(), workers.end(), [&](const auto& entry) {
      return entry.second->is_static() && entry.second->key() == key;
    });
  }
  if (at == workers.end()) {
    Error missing{Code::not_found,
                  fmt::format("pod \"{}\" is not on this node", request->root()["pod"].string())};
    co_return std::optional<Result<Target>>(std::move(missing));
  }
  co_return std::optional<Result<Target>>(choose(*at->second, request->root()));
}

}  // namespace

Task<void> Agent::serve_reach(std::string request_json,
                              std::unique_ptr<net::Stream> stream,
                              Task<void> dropped) {
  const auto request = Document::parse(request_json);
  if (!request.ok()) {
    static_cast<void>(co_await answer(*stream, request.error()));
    co_return;
  }
  const auto root = (*request)->root();
  const auto kind = root["kind"].string();
  if (kind == "blob-put") {  // it waits for the stream alone, and clears up what has not come whole
    co_await impl_->blobs.serve_put(*stream);
    co_return;
  }
  if (kind == "blob-get") {
    co_await impl_->blobs.serve_get(root, *stream);
    co_return;
  }
  co_await async::first_of(impl_->serve_on_node(*request, *stream), std::move(dropped));
}

Task<void> Agent::Impl::serve_on_node(DocumentPtr request, net::Stream& stream) {
  const auto root = request->root();
  const int port = static_cast<int>(root["port"].integer());
  if (root["kind"].string() == "connect" && root["pod"].string().empty()) {
    co_await serve_connection(shop->node_facts.host_ip, port, stream);
    co_return;
  }
  const std::string uid(root["uid"].string());
  auto unit = co_await asio::co_spawn(strand, find_unit(*units, uid), asio::use_awaitable);
  if (!unit.empty()) {
    const auto& address = shop->node_facts.host_ip;
    co_await serve_unit(std::move(unit), root, address, with.blocking, stream);
    co_return;
  }
  const auto target =
      co_await asio::co_spawn(strand, find_target(workers, request), asio::use_awaitable);
  if (!(*target).ok()) {
    static_cast<void>(co_await answer(stream, (*target).error()));
    co_return;
  }
  co_await serve_pod(*runtime, with.blocking, **target, std::move(request), stream);
}

}  // namespace tetrarch::agent
