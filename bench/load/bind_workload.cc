// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <charconv>
#include <unistd.h>
#include <unordered_set>

#include <fmt/format.h>

#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "load/hollow_nodes.h"
#include "load/workload.h"

namespace tetrarch::load {
namespace {

constexpr std::chrono::minutes kPatience{5};
constexpr std::chrono::seconds kSettling{3};  // until the scheduler has looked at all that waits

/// When each pod was seen on a node, by the pod's number. One watch for all.
class Bindings {
 public:
  Bindings(std::string run, int count)
      : mark_("\"name\":\"" + run + "-"), times_(static_cast<std::size_t>(count)) {}

  /// Reads events until every pod has been seen.
  Task<void> follow(net::Client& client, std::string target) {
    auto stream = co_await client.stream(json_request("GET", std::move(target), ""));
    if (!stream.ok() || (*stream)->status() != 200) {
      failure_ = stream.ok() ? "watch refused" : stream.error().message;
    }
    is_open_ = true;
    std::string text;
    while (failure_.empty() && seen_ < static_cast<int>(times_.size())) {
      const auto piece = co_await (*stream)->read();
      if (!piece.ok() || piece->empty()) {
        failure_ = "the watch ended early";
        break;
      }
      text += *piece;
      text.erase(0, take_lines(text));
    }
    is_done_ = true;
  }

  void wait_until_open() const { wait_for(is_open_, kPatience); }

  /// False after five minutes.
  bool wait_until_done() const { return wait_for(is_done_, kPatience); }

  int seen() const { return seen_; }

  const std::string& failure() const { return failure_; }

  const std::vector<SteadyPoint>& times() const { return times_; }

 private:
  static bool wait_for(const std::atomic<bool>& flag, std::chrono::seconds patience) {
    const auto end = system_clock().steady() + patience;
    while (!flag && system_clock().steady() < end) {
      ::usleep(1000);
    }
    return flag;
  }

  /// How many bytes were whole lines.
  std::size_t take_lines(const std::string& text) {
    const auto now = system_clock().steady();
    std::size_t begin = 0;
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
      take_line(std::string_view(text).substr(begin, end - begin), now);
      begin = end + 1;
    }
    return begin;
  }

  void take_line(std::string_view line, SteadyPoint now) {
    const auto at = line.find(mark_);
    if (at == std::string_view::npos) {
      return;
    }
    std::size_t number = times_.size();
    std::from_chars(line.data() + at + mark_.size(), line.data() + line.size(), number);
    if (number < times_.size() && times_[number] == SteadyPoint{}) {
      times_[number] = now;
      ++seen_;
    }
  }

  std::string mark_;
  std::vector<SteadyPoint> times_;
  std::string failure_;
  std::atomic<int> seen_ = 0;
  std::atomic<bool> is_open_ = false;
  std::atomic<bool> is_done_ = false;
};

std::string bound_pods(const Arguments& arguments) {
  return pods_path(arguments) + "?watch=true&fieldSelector=spec.nodeName!%3D";
}

Arguments without_node(Arguments arguments) {
  arguments.node.clear();
  return arguments;
}

/// `begun[i]` is when the way of pod i to its node began.
Result<Report> report_of(const Bindings& bindings, const std::vector<SteadyPoint>& begun) {
  if (!bindings.failure().empty()) {
    return Error{Code::unavailable, bindings.failure()};
  }
  Report out;
  auto first = SteadyPoint::max();
  auto last = SteadyPoint::min();
  for (std::size_t i = 0; i < begun.size(); ++i) {
    if (const auto bound = bindings.times()[i]; bound == SteadyPoint{}) {
      out.fail("a pod was not placed");
    } else {
      out.latencies.push_back(bound - begun[i]);
      first = std::min(first, begun[i]);
      last = std::max(last, bound);
    }
  }
  out.duration = last - first;
  return out;
}

/// Requests that make the pods; each notes when it was sent.
RequestOf creations(const Arguments& pods,
                    const std::string& run,
                    std::vector<SteadyPoint>& begun) {
  return [&pods, &begun, run, path = pods_path(pods)](int number) {
    auto request = json_request("POST", path, pod_body(pods, run + "-" + std::to_string(number)));
    begun[static_cast<std::size_t>(number)] = system_clock().steady();
    return request;
  };
}

/// Lets pods be placed on all nodes; `begun` is set to when that began.
Result<Report> open_nodes(async::IoPool& pool,
                          Arguments arguments,
                          std::vector<SteadyPoint>& begun) {
  ::sleep(static_cast<unsigned>(kSettling.count()));
  begun.assign(begun.size(), system_clock().steady());
  arguments.requests = arguments.nodes;
  return run_requests(pool, arguments, [&](int number) {
    return json_request("PATCH",
                        "/api/v1/nodes/" + HollowNodes::name_of(arguments, number),
                        R"({"spec":{"unschedulable":null}})");
  });
}

Result<Report> place(async::IoPool& pool,
                     const Arguments& arguments,
                     const std::string& run,
                     bool is_backlog) {
  TRY(const auto nodes, HollowNodes::make(pool, arguments, is_backlog));
  TRY(const auto clients, make_clients(arguments, 1));
  Bindings bindings(run, arguments.requests);
  async::TaskGroup group(pool.strand(), "load");
  group.spawn(bindings.follow(*clients.front(), bound_pods(arguments)));
  bindings.wait_until_open();
  const auto pods = without_node(arguments);
  std::vector<SteadyPoint> begun(static_cast<std::size_t>(arguments.requests));
  auto cpu = cpu_time(arguments.server_pid);
  TRY(auto sent, run_requests(pool, pods, creations(pods, run, begun)));
  if (sent.failures == 0 && is_backlog) {
    cpu = cpu_time(arguments.server_pid);
    TRY(sent, open_nodes(pool, arguments, begun));
  }
  if (sent.failures == 0) {
    bindings.wait_until_done();
  }
  group.stop_and_wait();
  if (sent.failures > 0) {
    return sent;
  }
  TRY(auto report, report_of(bindings, begun));
  report.server_cpu = cpu_time(arguments.server_pid) - cpu;
  return report;
}

}  // namespace

Result<Report> run_bind(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  return place(pool, arguments, run, false);
}

Result<Report> run_backlog(async::IoPool& pool,
                           const Arguments& arguments,
                           const std::string& run) {
  return place(pool, arguments, run, true);
}

}  // namespace tetrarch::load
