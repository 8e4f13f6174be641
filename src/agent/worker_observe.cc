// SPDX-License-Identifier: Apache-2.0
// How a worker looks at the runtime.
#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "agent/runtime/log_file.h"
#include "agent/runtime/on_pool.h"
#include "agent/worker.h"
#include "base/utf8.h"

namespace tetrarch::agent {
namespace {

using runtime::Container;
using runtime::ContainerState;

// Source: Kubernetes documentation, "Determine the Reason for Pod Failure".
constexpr std::size_t kMessageMax = 4096;
constexpr std::size_t kLogMessageMax = 2048;

std::string read_tail(const std::filesystem::path& path, std::size_t limit) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    return {};
  }
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(file.tellg(), 0));
  const auto begin = size > limit ? size - limit : 0;
  file.seekg(static_cast<std::streamoff>(begin));
  std::string out(size - begin, '\0');
  file.read(out.data(), static_cast<std::streamsize>(out.size()));
  return out;
}

std::string log_message(const std::filesystem::path& path) {
  std::istringstream lines(read_tail(path, 4 * kLogMessageMax));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    if (const auto parsed = runtime::parse_log_line(line)) {
      out += std::string(parsed->text) + (parsed->is_partial ? "" : "\n");
    }
  }
  return out.size() > kLogMessageMax ? out.substr(out.size() - kLogMessageMax) : out;
}

}  // namespace

Task<Status> PodWorker::observe_sandbox() {
  CO_TRY(const auto all, co_await shop_.runtime.sandboxes(uid_));
  const auto newest = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair(a.attempt, a.created) < std::pair(b.attempt, b.created);
  });
  if (newest == all.end()) {
    seen_.sandbox.reset();
    co_return ok();
  }
  const bool is_known = seen_.sandbox && seen_.sandbox->id == newest->id &&
                        seen_.sandbox->is_ready == newest->is_ready &&
                        !seen_.sandbox->addresses.empty();
  if (is_known) {
    co_return ok();
  }
  const auto details = co_await shop_.runtime.sandbox(newest->id);
  const auto sandbox = details.ok() ? *details : *newest;
  CO_TRY_STATUS(co_await admit(sandbox));
  seen_.sandbox = sandbox;
  if (seen_.sandbox->is_ready) {
    const bool is_host = view().spec().host_network();
    memory_.facts.pod_ips =
        is_host ? std::vector<std::string>{shop_.node_facts.host_ip} : seen_.sandbox->addresses;
    memory_.facts.pod_ip =
        memory_.facts.pod_ips.empty() ? std::string() : memory_.facts.pod_ips.front();
    // After a restart of the agent what runs has its volumes. What this process does not know of
    // them (tokens, and when to renew them) it learns by a refresh.
    if (!std::exchange(memory_.is_prepared, true)) {
      is_content_dirty_ = true;
    }
  }
  co_return ok();
}

/// Before anything runs in it: a pod is never without its policies.
Task<Status> PodWorker::admit(runtime::Sandbox sandbox) {
  if (!shop_.admit || !sandbox.is_ready || view().spec().host_network()) {
    co_return ok();
  }
  if (sandbox.addresses.empty()) {
    co_return Error{Code::unavailable, "the sandbox shows no address yet"};
  }
  network::LocalPod pod{uid_, key_.ns, key_.name, sandbox.addresses.front()};
  auto admitting = shop_.admit(std::move(pod));
  co_return co_await std::move(admitting);
}

Task<Result<Container>> PodWorker::full(Container listed) {
  if (const auto at = seen_.containers.find(listed.name); at != seen_.containers.end()) {
    for (const auto& known : {at->second.current, at->second.previous}) {
      if (known && known->id == listed.id && known->state == ContainerState::exited &&
          known->finished) {
        co_return *known;  // what has exited does not change
      }
    }
  }
  CO_TRY(Container found, co_await shop_.runtime.container(listed.id));
  found.sandbox_id = listed.sandbox_id;
  // Only what an earlier process has paused is not known; asking each time would cost every look.
  if (!is_adopted_ && found.state == ContainerState::running) {
    const auto paused = co_await shop_.runtime.is_paused(listed.id);
    if (!paused.ok() && paused.error().code != Code::not_found) {
      co_return paused.error();
    }
    found.is_paused = paused.value_or(false);  // not found: it has just ended
  }
  co_return found;
}

Task<Status> PodWorker::observe_containers() {
  CO_TRY(auto all, co_await shop_.runtime.containers(uid_));
  std::sort(all.begin(), all.end(), [](const Container& a, const Container& b) {
    return std::pair(a.attempt, a.created) > std::pair(b.attempt, b.created);
  });
  std::map<std::string, Attempts, std::less<>> fresh;
  for (const auto& listed : all) {
    auto& attempts = fresh[listed.name];
    auto& place = attempts.current ? attempts.previous : attempts.current;
    if (place) {
      continue;  // older ones are only waiting to be removed
    }
    auto found = co_await full(listed);
    if (!found.ok() && found.error().code != Code::not_found) {
      co_return found.error();
    }
    if (found.ok()) {
      place = std::move(*found);
    }
  }
  seen_.containers = std::move(fresh);
  co_return ok();
}

/// What an earlier process has noted of containers that were held.
Task<void> PodWorker::read_kept_roots() {
  std::vector<std::pair<std::string, std::filesystem::path>> notes;
  notes.reserve(seen_.containers.size());
  for (const auto& [name, attempts] : seen_.containers) {
    notes.emplace_back(name, kept_note(name));
  }
  auto work = [notes] {
    std::vector<std::pair<std::string, std::string>> out;
    out.reserve(notes.size());
    for (const auto& [name, path] : notes) {
      out.emplace_back(name, read_tail(path, kMessageMax));
    }
    return out;
  };
  for (auto& [name, id] : co_await runtime::on_pool(shop_.blocking, std::move(work))) {
    memory_.containers[name].kept_id = std::move(id);
  }
}

Task<void> PodWorker::read_termination_messages() {
  for (const auto& [name, attempts] : seen_.containers) {
    auto& memory = memory_.containers[name];
    if (!attempts.current || attempts.current->state != ContainerState::exited ||
        memory.message_id == attempts.current->id) {
      continue;
    }
    const auto current = *attempts.current;
    const bool falls_back =
        container_named(view(), name).termination_message_policy() == "FallbackToLogsOnError";
    auto file = directory() / "containers" / name / std::to_string(current.attempt);
    auto work = [file = std::move(file),
                 log = current.log_path,
                 uses_log = falls_back && current.exit_code != 0]() -> Result<std::string> {
      auto text = read_tail(file, kMessageMax);
      return text.empty() && uses_log ? log_message(log) : text;
    };
    const auto message = co_await runtime::on_pool(shop_.blocking, std::move(work));
    // Any bytes, and cut anywhere; the server refuses a status that is no UTF-8.
    memory.termination_message = to_utf8(message.value_or(""));
    memory.message_id = current.id;
  }
}

}  // namespace tetrarch::agent
