// SPDX-License-Identifier: Apache-2.0
#include "agent/worker_bench.h"

#include <algorithm>
#include <fstream>
#include <future>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "base/random.h"
#include "object/merge_patch.h"
#include "schema/catalog.h"
#include "schema/decode.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

const Key kPod{"pods", "default", "p"};
constexpr std::string_view kUid = "u-1";

Error away() {
  return {Code::unavailable, "the server is away"};
}

/// As the server stores it: defaulted, canonical.
DocumentPtr decoded(std::string_view json) {
  static const auto catalog = *schema::Catalog::load_builtin();  // loaded once: it takes a while
  auto out = schema::decode(*catalog->find("", "v1", "Pod"), json, schema::Unknown::refuse);
  EXPECT_TRUE(out.ok()) << json << (out.ok() ? "" : out.error().message);
  return out.ok() ? out->document : nullptr;
}

DocumentPtr merged(const Document& document, std::string_view patch) {
  auto tree = object::to_tree(document.root());
  const auto read = Document::parse(patch);
  CHECK(read.ok());
  CHECK(object::apply_merge_patch(tree, (*read)->root()).ok());
  return object::to_document(tree);
}

/// "10s", "5m", "2h", "500ms".
std::chrono::nanoseconds duration_of(const std::string& text) {
  const auto number = std::stoll(text);
  if (text.ends_with("ms")) {
    return std::chrono::milliseconds(number);
  }
  return seconds(number * (text.ends_with("h") ? 3600 : text.ends_with("m") ? 60 : 1));
}

/// The value of "exit=3" among the words; empty where there is none.
std::string option(const std::vector<std::string>& words, const std::string& name) {
  for (const auto& word : words) {
    if (word.starts_with(name + "=")) {
      return word.substr(name.size() + 1);
    }
  }
  return "";
}

FakeRuntime::Behaviour behaviour_of(const std::vector<std::string>& words) {
  FakeRuntime::Behaviour out;
  if (const auto code = option(words, "exit"); !code.empty()) {
    out.exit_code = std::stoi(code);
  }
  if (const auto after = option(words, "after"); !after.empty()) {
    out.after = std::chrono::duration_cast<seconds>(duration_of(after));
  }
  if (const auto stops = option(words, "stops"); !stops.empty()) {
    out.stops_after = std::chrono::duration_cast<seconds>(duration_of(stops));
  }
  if (const auto starts = option(words, "starts"); !starts.empty()) {
    out.starts_after = std::chrono::duration_cast<seconds>(duration_of(starts));
  }
  out.is_told_early = option(words, "told") == "early";
  return out;
}

std::string joined(const std::vector<std::string>& words, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < words.size(); ++i) {
    out += (i == from ? "" : " ") + words[i];
  }
  return out;
}

std::string state_text(object::View state) {
  if (const auto waiting = state["waiting"]) {
    const auto message = waiting["message"].string();
    return fmt::format(
        "waiting({}{}{})", waiting["reason"].string(), message.empty() ? "" : ": ", message);
  }
  if (const auto ended = state["terminated"]) {
    const auto message = ended["message"].string();
    return fmt::format("ended({} {}{}{})",
                       ended["reason"].string(),
                       ended["exitCode"].integer(),
                       message.empty() ? "" : ": ",
                       message);
  }
  return state["running"] ? "running" : "nothing";
}

std::string container_text(object::View status) {
  auto out = fmt::format("{}={}", status["name"].string(), state_text(status["state"]));
  if (status["restartCount"].integer() > 0) {
    out += fmt::format(" restarts={}", status["restartCount"].integer());
  }
  if (status["lastState"]["terminated"]) {
    out += " last=" + state_text(status["lastState"]);
  }
  if (const auto granted = status["allocatedResources"]; granted.size() > 0) {
    out += fmt::format(" granted={} has={}", granted.raw(), status["resources"].raw());
  }
  out += status["started"].boolean() ? " started" : "";
  out += status["ready"].boolean() ? " ready" : "";
  return out;
}

/// What is said of a resize, and what holds of each container's amounts where it has any.
std::string resize_text(object::View status) {
  std::string out;
  for (const auto condition : status["conditions"].elements()) {
    if (condition["type"].string().starts_with("PodResize")) {
      const auto message = condition["message"].string();
      out += fmt::format(" {}({}{}{})",
                         condition["type"].string(),
                         condition["reason"].string(),
                         message.empty() ? "" : ": ",
                         message);
    }
  }
  return out;
}

bool is_true(object::View status, std::string_view type) {
  for (const auto condition : status["conditions"].elements()) {
    if (condition["type"].string() == type) {
      return condition["status"].string() == "True";
    }
  }
  return false;
}

}  // namespace

void FakeServer::put(Key key, DocumentPtr document) {
  const bool is_new = !objects_.contains(key);
  auto& at = objects_[key];
  at = Stored{key, Revision{++revision_}, std::move(document)};
  on_change({is_new ? client::EventType::added : client::EventType::modified, at});
}

void FakeServer::erase(const Key& key) {
  const auto at = objects_.find(key);
  if (at != objects_.end()) {
    auto last = at->second;
    last.revision = Revision{++revision_};
    objects_.erase(at);
    on_change({client::EventType::deleted, std::move(last)});
  }
}

const Stored* FakeServer::find(const Key& key) const {
  const auto at = objects_.find(key);
  return at == objects_.end() ? nullptr : &at->second;
}

std::vector<Stored> FakeServer::all() const {
  std::vector<Stored> out;
  for (const auto& [key, stored] : objects_) {
    out.push_back(stored);
  }
  return out;
}

Task<Result<Stored>> FakeServer::get(Key key) {
  ++reads;
  const auto* found = find(key);
  co_return is_away  ? Result<Stored>(away())
  : found == nullptr ? Result<Stored>(Error{Code::not_found, "not found"})
                     : Result<Stored>(*found);
}

Task<Result<client::ListPage>> FakeServer::list(client::ListQuery) {
  co_return Error{Code::unimplemented, "list"};
}

Task<Result<std::unique_ptr<client::Watch>>> FakeServer::watch(client::WatchQuery) {
  co_return Error{Code::unimplemented, "watch"};
}

Task<Result<Stored>> FakeServer::create(std::string resource,
                                        std::string ns,
                                        DocumentPtr document,
                                        client::WriteOptions options) {
  if (is_away) {
    co_return away();
  }
  const auto root = document->root();
  if (options.subresource == "token") {
    const auto token = fmt::format("token-{}", ++tokens);
    const auto text = merged(*document, fmt::format(R"({{"status":{{"token":"{}"}}}})", token));
    on_write(token);
    co_return Stored{Key{resource, ns, "token"}, Revision{++revision_}, text};
  }
  CO_TRY([[maybe_unused]] const auto read, Document::parse(document->bytes()));
  on_write(fmt::format(
      "event {} {}: {}", root["type"].string(), root["reason"].string(), root["message"].string()));
  co_return Stored{Key{resource, ns, std::string(root["metadata"]["name"].string())},
                   Revision{++revision_},
                   document};
}

Result<Stored> FakeServer::update_now(const Key& key, DocumentPtr document, Revision expected) {
  const auto* found = find(key);
  if (is_away || found == nullptr) {
    return is_away ? away() : Error{Code::not_found, "not found"};
  }
  if (expected.number != 0 && expected != found->revision) {
    return Error{Code::conflict, "changed meanwhile"};
  }
  // Read from bytes, as the server does.
  TRY(auto read, Document::parse(document->bytes()));
  put(key, std::move(read));
  on_write("status");
  return *find(key);
}

Result<Stored> FakeServer::remove_now(const Key& key) {
  const auto* found = find(key);
  if (is_away || found == nullptr) {
    return is_away ? away() : Error{Code::not_found, "not found"};
  }
  on_write("delete " + key.name);
  auto last = *found;
  if (last.metadata()["finalizers"].size() == 0) {
    erase(key);
  }
  return last;
}

Task<Result<Stored>> FakeServer::update(Key key,
                                        DocumentPtr document,
                                        client::WriteOptions options) {
  auto out = update_now(key, std::move(document), options.expected);
  co_return out;
}

Task<Result<Stored>> FakeServer::patch(Key,
                                       client::PatchType,
                                       std::string text,
                                       client::WriteOptions) {
  patches.push_back(std::move(text));
  // Told, and not done: the agent patches the count of an event that it has told before, and what
  // its Node says of itself.
  co_return is_away ? Result<Stored>(away()) : Result<Stored>(Stored{});
}

Task<Result<Stored>> FakeServer::remove(Key key, client::DeleteOptions) {
  auto out = remove_now(key);
  co_return out;
}

Task<std::vector<Result<Stored>>> FakeServer::apply(std::vector<client::Change> changes) {
  std::vector<Result<Stored>> out;
  for (auto& change : changes) {
    out.push_back(update_now(change.key, std::move(change.document), change.write.expected));
  }
  co_return out;
}

Task<Result<std::unique_ptr<client::Watch>>> FakeServer::feed(NodeName) {
  co_return Error{Code::unimplemented, "feed"};
}

/// What dies with an agent process.
struct WorkerBench::Parts {
  explicit Parts(WorkerBench& bench)
      : tasks(bench.context_.get_executor(), "test"),
        objects(bench.place_ / "objects", bench.blocking_),
        statuses(bench.server_, objects),
        events(bench.server_, "n1", bench.time_, system_random()),
        images(bench.runtime_, objects),
        tokens(bench.server_, bench.time_),
        cgroups(bench.place_ / "cgroup"),
        shop{bench.runtime_,
             bench.server_,
             objects,
             statuses,
             events,
             images,
             tokens,
             cgroups,
             bench.blocking_,
             tasks,
             bench.time_,
             {},
             bench.place_ / "pods",
             {},
             &pressure} {
    shop.node.instance = "ab12cd";
    shop.node.logs_directory = bench.place_ / "logs";
    shop.node.cluster_domain = "cluster.local";
    shop.node.dns_address = "10.43.0.10";
    shop.node.memory_bytes = 8LL << 30;
    shop.node_facts.host_ip = "192.0.2.1";
  }

  async::TaskGroup tasks;
  Objects objects;
  StatusWriter statuses;
  EventRecorder events;
  Images images;
  Tokens tokens;
  CgroupFiles cgroups;
  PressureState pressure{seconds(300)};
  Workshop shop;
  std::shared_ptr<PodWorker> worker;  // shared with its own tasks
};

WorkerBench::WorkerBench()
    : place_(std::filesystem::temp_directory_path() /
             ("worker-" + make_suffix(system_random(), 10))),
      time_(asio::make_service<async::VirtualTime>(
          context_, TimePoint{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}})),
      start_(time_.now()),
      runtime_(time_) {
  std::filesystem::create_directories(place_);
  runtime_.on_call = [this](const std::string& call) { say(call); };
  runtime_.on_event = [this](const runtime::Event& event) { take_event(event); };
  server_.on_change = [this](const client::WatchEvent& event) { take(event); };
  server_.on_write = [this](const std::string& write) {
    if (write == "status") {
      say_status(server_.find(kPod)->root()["status"]);
    } else {
      say(write);
    }
  };
  start_agent();
}

WorkerBench::~WorkerBench() {
  stop_agent();
  std::filesystem::remove_all(place_);
}

void WorkerBench::start_agent() {
  parts_ = std::make_unique<Parts>(*this);
  parts_->objects.on_change(
      [this](const Key& key, const DocumentPtr& document) { take_object(key, document); });
  parts_->objects.load();
  for (const auto& stored : parts_->objects.all("pods")) {
    take_object(stored.key, stored.document);
  }
  parts_->tasks.spawn(parts_->objects.save_changes());
  parts_->tasks.spawn(parts_->statuses.run());
  parts_->tasks.spawn(parts_->events.send());
  for (const auto& stored : server_.all()) {
    take({client::EventType::added, stored});
  }
}

void WorkerBench::take_object(const Key& key, const DocumentPtr& document) {
  auto& worker = parts_->worker;
  if (key.resource != "pods") {
    if (worker) {
      worker->refresh_content();
    }
  } else if (document == nullptr) {
    if (worker) {
      worker->set_gone();
    }
  } else if (worker) {
    worker->update(*parts_->objects.find(key));
  } else {
    worker = std::make_shared<PodWorker>(parts_->shop, *parts_->objects.find(key));
    auto finished = [this] {
      say("worker has finished");
      parts_->worker.reset();
    };
    parts_->tasks.spawn(PodWorker::run(worker, std::move(finished)));
  }
}

void WorkerBench::stop_agent() {
  if (!parts_) {
    return;
  }
  bool is_done = false;
  asio::co_spawn(
      context_, parts_->tasks.stop(), [&](const std::exception_ptr&) { is_done = true; });
  settle();
  while (!is_done) {
    time_.move_to(time_.now() + std::chrono::milliseconds(1));
    settle();
  }
  parts_.reset();
}

void WorkerBench::take(const client::WatchEvent& event) {
  if (parts_) {
    parts_->objects.apply(event);
  }
}

void WorkerBench::take_event(const runtime::Event& event) {
  if (!parts_ || !parts_->worker) {
    return;
  }
  if (event.kind == runtime::EventKind::exited) {
    parts_->worker->expect_exit(event.id);
  } else {
    parts_->worker->wake();
  }
}

/// Runs all that is ready while the pool stands still, and then what it asked of the pool: so the
/// order of a transcript does not depend on which of the two threads is faster. How much ran.
std::size_t WorkerBench::take_turns() {
  std::promise<void> gate;
  blocking_.post([open = gate.get_future().share()] { open.wait(); });
  context_.restart();
  const auto count = context_.poll();
  std::promise<void> reached;
  blocking_.post([&reached] { reached.set_value(); });
  gate.set_value();
  reached.get_future().wait();
  return count;
}

void WorkerBench::settle() {
  bool has_more = true;
  while (has_more) {
    take_turns();
    const auto due = time_.next();
    const bool has_due = due && *due <= time_.now();
    if (has_due) {
      time_.move_to(time_.now());
    }
    has_more = take_turns() > 0 || has_due;
  }
}

void WorkerBench::advance(std::chrono::nanoseconds time) {
  const auto target = time_.now() + std::chrono::duration_cast<std::chrono::microseconds>(time);
  while (true) {
    settle();
    runtime_.end_due();
    settle();
    auto next = runtime_.end_due();
    if (const auto timer = time_.next(); timer && (!next || *timer < *next)) {
      next = timer;
    }
    if (!next || *next > target) {
      break;
    }
    time_.move_to(std::max(*next, time_.now()));
  }
  time_.move_to(target);
  settle();
}

std::string WorkerBench::elapsed() const {
  const auto ms = (time_.now() - start_) / std::chrono::milliseconds(1);
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000)
                        : fmt::format("{:.1f}s", static_cast<double>(ms) / 1000);
}

void WorkerBench::say(const std::string& text) {
  out_ += fmt::format("{:>7} {}\n", elapsed(), text);
}

void WorkerBench::say_status(object::View status) {
  auto text = fmt::format("status {}", status["phase"].string());
  if (const auto reason = status["reason"].string(); !reason.empty()) {
    text += fmt::format("({}: {})", reason, status["message"].string());
  }
  text += is_true(status, "Initialized") ? "" : " uninitialized";
  text += is_true(status, "Ready") ? " Ready" : "";
  text += resize_text(status);
  for (const char* list :
       {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}) {
    for (const auto container : status[list].elements()) {
      text += " | " + container_text(container);
    }
  }
  say(text);
}

void WorkerBench::put_pod(const std::string& json) {
  const auto read = Document::parse(json);
  ASSERT_TRUE(read.ok()) << json;
  const std::string_view spec = (*read)->root()["spec"].exists() ? "" : R"(,"spec":)";
  const auto whole = merged(
      **Document::parse(spec.empty() ? json : fmt::format(R"({{"spec":{}}})", json)),
      fmt::format(
          R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p","namespace":"default",)"
          R"("uid":"{}","generation":1}}}})",
          kUid));
  const auto document = decoded(whole->bytes());
  for (const char* list : {"initContainers", "containers"}) {
    note_images(document->root()["spec"][list]);
  }
  server_.put(kPod, document);
}

/// Every image that a pod names is there, unless the script said that it is not.
void WorkerBench::note_images(object::View containers) {
  for (const auto container : containers.elements()) {
    const std::string image(container["image"].string());
    if (!absent_images_.contains(image)) {
      runtime_.present_images[image].id = "image-" + image;
    }
  }
}

void WorkerBench::merge_into_pod(const std::string& patch) {
  const auto document = merged(*server_.find(kPod)->document, patch);
  note_images(document->root()["spec"]["ephemeralContainers"]);
  server_.put(kPod, document);
}

void WorkerBench::control_pod(const std::string& verb, const std::vector<std::string>& words) {
  if (verb == "pod") {
    put_pod(joined(words, 1));
  } else if (verb == "delete") {
    const auto grace = std::stoi(option(words, "grace"));
    merge_into_pod(fmt::format(
        R"({{"metadata":{{"deletionTimestamp":"{}","deletionGracePeriodSeconds":{}}}}})",
        format_time(time_.now() + seconds(grace)),
        grace));
  } else if (verb == "force-delete") {
    server_.erase(kPod);
  } else if (verb == "merge") {
    merge_into_pod(joined(words, 1));
  } else if (verb == "status") {
    out_ += std::string(server_.find(kPod)->root()["status"].raw()) + "\n";
  } else if (verb == "configmaps" || verb == "secrets") {
    server_.put(Key{verb, "default", words.at(1)}, *Document::parse(joined(words, 2)));
  } else if (verb == "take-out") {
    server_.erase(Key{words.at(1), "default", words.at(2)});
  } else {
    control_file(verb, words);
  }
}

/// Files of the pod: "put-file PATH TEXT", "cut-file PATH" (by its last byte), "show-file PATH".
void WorkerBench::control_file(const std::string& verb, const std::vector<std::string>& words) {
  const auto path = place_ / "pods" / kUid / (words.size() > 1 ? words[1] : "");
  if (verb == "put-file") {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << joined(words, 2);
  } else if (verb == "cut-file") {
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  } else if (verb == "show-file") {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    out_ += text.str() + "\n";
  } else {
    ADD_FAILURE() << "no such command: " << verb;
  }
}

void WorkerBench::command(const std::string& verb, const std::vector<std::string>& words) {
  if (verb == "advance") {
    advance(duration_of(words.at(1)));
  } else if (verb == "exit") {
    runtime_.end(words.at(1), std::stoi(words.at(2)));
  } else if (verb == "process") {
    runtime_.processes[words.at(1)] = behaviour_of(words);
  } else if (verb == "command") {
    runtime_.commands[words.at(1)] = behaviour_of(words);
  } else if (verb == "image-absent") {
    absent_images_.insert(words.at(1));
    runtime_.present_images.erase(words.at(1));
  } else if (verb == "image-user") {
    runtime_.present_images[words.at(1)].user_id = std::stoi(words.at(2));
  } else if (verb == "pull-fails") {
    runtime_.pull_errors[words.at(1)] = joined(words, 2);
  } else if (verb == "pull-works") {
    runtime_.pull_errors.erase(words.at(1));
  } else if (verb == "pull-takes") {
    runtime_.pull_time = std::chrono::duration_cast<seconds>(duration_of(words.at(1)));
  } else if (verb == "list-takes") {
    runtime_.list_time = std::chrono::duration_cast<seconds>(duration_of(words.at(1)));
  } else if (verb == "runtime-fails") {
    runtime_.failures[words.at(1)] = joined(words, 2);
  } else if (verb == "runtime-works") {
    runtime_.failures.clear();
  } else if (verb == "lose-container") {
    runtime_.lose_container(words.at(1));
  } else if (verb == "lose-all") {
    runtime_.lose_sandbox();
  } else if (verb == "kill-sandbox") {
    runtime_.kill_sandbox();
  } else if (verb == "server") {
    server_.is_away = words.at(1) == "away";
  } else if (verb == "no-room") {
    parts_->shop.refuse_resize = [why = Reason{words.at(1), joined(words, 2)}](const auto&, auto) {
      return std::optional(why);
    };
    parts_->worker->wake();
  } else if (verb == "room") {
    parts_->shop.refuse_resize = {};
    parts_->worker->wake();
  } else if (verb == "evict") {
    parts_->worker->evict(joined(words, 1));
  } else if (verb == "shutdown") {
    parts_->shop.is_shutting_down = true;
    parts_->worker->end_for_shutdown(std::chrono::duration_cast<seconds>(duration_of(words.at(1))));
  } else if (verb == "pressure") {
    static_cast<void>(parts_->pressure.note(*parse_thresholds(words.at(1)), time_.now()));
  } else if (verb == "stop-agent") {
    stop_agent();
  } else if (verb == "start-agent") {
    start_agent();
  } else {
    control_pod(verb, words);
  }
}

std::string WorkerBench::run(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  out_.clear();
  command(words.at(0), words);
  settle();
  return out_;
}

}  // namespace tetrarch::agent
