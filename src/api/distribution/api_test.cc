// SPDX-License-Identifier: Apache-2.0
// The protocol, over a real registry in memory and agents that are coroutines of the test.
#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "api/distribution/distribution.h"
#include "api/distribution/names.h"
#include "async/timer.h"
#include "base/encoding.h"
#include "net/pipe.h"
#include "reach/answer.h"
#include "reach/wire.h"
#include "registry/fixture.h"
#include "trust/sha256.h"

namespace tetrarch::api::distribution {
namespace {

using testing::HasSubstr;

std::string digest_of(std::string_view content) {
  return "sha256:" + trust::sha256_hex(content);
}

/// Keeps blobs as an agent does.
struct FakeAgent {
  std::map<std::string, std::string> blobs = {};
  bool is_away = false;
  bool is_full = false;               ///< takes no blob
  bool hangs = false;                 ///< takes one, and reads nothing of it
  async::Event* waits_for = nullptr;  ///< before it says that it keeps one
  async::Event* tells = nullptr;      ///< once nobody waits for what it says any more
};

Task<bool> read_exactly(net::Stream& stream, std::string& into) {
  for (std::size_t done = 0; done < into.size();) {
    const auto count = co_await stream.read(into.data() + done, into.size() - done);
    if (!count.ok() || *count == 0) {
      co_return false;
    }
    done += *count;
  }
  co_return true;
}

Task<void> take_blob(FakeAgent& agent, net::Stream& stream) {
  std::string content;
  while (true) {
    std::string head(4, '\0');
    if (!co_await read_exactly(stream, head)) {
      co_return;
    }
    std::string piece(reach::read_u32(head), '\0');
    if (piece.empty()) {
      break;
    }
    if (!co_await read_exactly(stream, piece)) {
      co_return;
    }
    content += piece;
  }
  const auto line = co_await reach::read_line(stream);
  const auto what = Document::parse(line.value_or(""));
  const std::string digest((*what)->root()["digest"].string());
  const bool is_it = digest == digest_of(content);
  if (is_it) {
    agent.blobs[digest] = content;
  }
  const Status said = is_it ? ok() : Status(Error{Code::invalid, "another digest"});
  const std::string answer = reach::format_answer(said);
  if (agent.waits_for != nullptr) {
    co_await agent.waits_for->wait();
  }
  (void)co_await stream.write(answer);
  if (agent.tells != nullptr) {
    std::string nothing(1, '\0');
    (void)co_await read_exactly(stream, nothing);
    agent.tells->raise();
  }
}

Task<void> serve_put(FakeAgent& agent, std::unique_ptr<net::Stream> stream) {
  if (agent.hangs) {
    async::Event never;
    co_await never.wait();
  }
  co_await take_blob(agent, *stream);
}

/// Of the blob as it was when it was asked for: a test may take it away by now.
Task<void> serve_get(std::string content,
                     DocumentPtr request,
                     std::unique_ptr<net::Stream> stream) {
  const auto root = request->root();
  const auto part = content.substr(static_cast<std::size_t>(root["offset"].integer()),
                                   static_cast<std::size_t>(root["length"].integer()));
  (void)co_await stream->write(part);
  (void)co_await stream->shut_write();
}

/// Records an answer, and gives the body in pieces.
class FakeExchange final : public net::Exchange, public net::BodyReader {
 public:
  Task<Status> respond(int code, net::Headers with, std::string text) override {
    status = code;
    headers = std::move(with);
    body = std::move(text);
    co_return ok();
  }

  Task<Status> respond(int code, net::Headers with, net::Body /*pieces*/) override {
    std::string none;
    co_return co_await respond(code, std::move(with), std::move(none));
  }

  Task<Status> start(int code, net::Headers with) override {
    std::string none;
    co_return co_await respond(code, std::move(with), std::move(none));
  }

  Task<Status> write(net::Body pieces) override {
    for (const auto piece : pieces.pieces) {
      body += piece;
    }
    co_return ok();
  }

  Task<Status> finish() override {
    is_finished = true;
    co_return ok();
  }

  bool is_client_gone() const override { return false; }

  void on_client_gone(std::function<void()> /*notice*/) override {}

  Task<Result<std::unique_ptr<net::Stream>>> upgrade_raw(net::Headers /*headers*/) override {
    co_return Error{Code::unimplemented, ""};
  }

  Task<Result<std::unique_ptr<net::WebSocket>>> upgrade_websocket(
      std::string /*subprotocol*/) override {
    co_return Error{Code::unimplemented, ""};
  }

  Task<Result<std::string>> read_body() override {
    auto piece = upload.substr(taken_, std::max<std::size_t>(3, upload.size() / 100));
    taken_ += piece.size();
    co_return piece;
  }

  bool is_whole() const override { return taken_ >= upload.size(); }

  std::string code() const {
    const auto parsed = Document::parse(body);
    return parsed.ok() ? std::string((*parsed)->root()["errors"].at(0)["code"].string()) : "";
  }

  std::string upload;
  int status = 0;
  net::Headers headers;
  std::string body;
  bool is_finished = false;

 private:
  std::size_t taken_ = 0;  ///< of upload
};

class DistributionTest : public registry::RegistryTest {
 protected:
  DistributionTest() { make_api(std::chrono::minutes(1)); }

  void make_api(std::chrono::nanoseconds write_limit) {
    Parts parts{
        .registry = *registry_,
        .clock = clock_,
        .random = random_,
        .authenticate =
            [this](net::Peer peer, std::string token) {
              return authenticate(std::move(peer), std::move(token));
            },
        .open = [this](NodeName node,
                       std::string request) { return open(std::move(node), std::move(request)); },
        .nodes =
            [this] {
              std::vector<std::string> out;
              for (const auto& [name, agent] : agents_) {
                out.push_back(name);
              }
              return out;
            },
        .visits = [this] { return std::make_unique<FakeVisit>(*this); },
        .relayed = relayed_,
        .own_names = {"10.0.0.1:6443"},
        .write_limit = write_limit};
    api_ = make_distribution(std::move(parts));
  }

  ~DistributionTest() override { group_.stop_and_wait(); }  // before what its tasks use

  static Task<Result<trust::Identity>> authenticate(net::Peer peer, std::string token) {
    auto ann = registry::plain_user("ann");
    auto admin = registry::masters();
    if (token == "secret-of-ann") {
      co_return ann;
    }
    if (token.empty() && peer.certificate_common_name.starts_with(trust::kNodeUserPrefix)) {
      trust::Identity node{.user = peer.certificate_common_name,
                           .groups = {std::string(trust::kNodes)}};
      co_return node;
    }
    if (token.empty() && peer.certificate_common_name == "admin") {
      co_return admin;
    }
    co_return Error{Code::unauthenticated, "unknown"};
  }

  Task<Result<std::unique_ptr<net::Stream>>> open(NodeName node, std::string request) {
    auto& agent = agents_[node.text];
    if (agent.is_away) {
      co_return Error{Code::unavailable, "it is away"};
    }
    const auto asked = *Document::parse(request);
    const std::string digest(asked->root()["digest"].string());
    const bool is_put = asked->root()["kind"].string() == "blob-put";
    if (is_put ? agent.is_full : !agent.blobs.contains(digest)) {
      co_return Error{is_put ? Code::exhausted : Code::not_found, "it cannot"};
    }
    auto [ours, theirs] = net::make_pipe();
    auto served = is_put ? serve_put(agent, std::move(theirs))
                         : serve_get(agent.blobs.at(digest), asked, std::move(theirs));
    group_.spawn_on(pool_.strand(), std::move(served));
    co_return std::move(ours);
  }

  /// Notes what it is told, and refuses where there is no place.
  class FakeVisit final : public Visit {
   public:
    explicit FakeVisit(DistributionTest& test) : test_(test) {}

    void note_stranger(const Purpose& purpose) override { note("stranger", purpose); }

    Task<Status> enter(const Purpose& purpose) override {
      note(purpose.who.user, purpose);
      line_ += purpose.moves_blob ? " blob" : "";
      co_return test_.is_full_ ? Status(Error{Code::exhausted, "too many requests"}) : ok();
    }

    void started(int /*status*/) override { line_ += " started"; }

    void complete(int status, std::string_view code, std::string_view /*message*/) override {
      test_.visits_.push_back(fmt::format("{} {} {}", line_, status, code));
    }

   private:
    void note(std::string_view who, const Purpose& purpose) {
      const auto& about = purpose.about;
      line_ = fmt::format(
          "{} {} {}", who, about.verb, about.resource.empty() ? about.path : about.resource);
    }

    DistributionTest& test_;
    std::string line_;
  };

  struct Asked {
    std::string method;
    std::string target;
    std::string body = {};
    net::Headers headers = {};
    bool is_admin = true;
    std::string node = {};  ///< it asks, and nobody else
  };

  static Task<Unit> handle(Distribution& api, net::Request request, FakeExchange& exchange) {
    co_await api.handle(std::move(request), exchange, exchange);
    co_return Unit{};
  }

  FakeExchange ask(Asked asked) {
    net::Request request;
    request.method = std::move(asked.method);
    const auto question = asked.target.find('?');
    request.path = asked.target.substr(0, question);
    request.query = question == std::string::npos ? "" : asked.target.substr(question + 1);
    request.headers = std::move(asked.headers);
    request.peer.certificate_common_name = !asked.node.empty() ? "system:node:" + asked.node
                                           : asked.is_admin    ? "admin"
                                                               : "";
    FakeExchange exchange;
    exchange.upload = std::move(asked.body);
    run(handle(*api_, std::move(request), exchange));
    return exchange;
  }

  static net::Headers with(std::string name, std::string value) {
    net::Headers out;
    out.add(std::move(name), std::move(value));
    return out;
  }

  void push_blob(const std::string& content) {
    const auto done = ask({"POST", "/v2/app/blobs/uploads/?digest=" + digest_of(content), content});
    ASSERT_EQ(done.status, 201) << done.body;
  }

  std::string manifest(const std::string& layer) {
    const auto describe = [](std::string_view content) {
      return fmt::format(R"({{"digest":"{}","size":{}}})", digest_of(content), content.size());
    };
    return fmt::format(
        R"({{"schemaVersion":2,"config":{},"layers":[{}]}})", describe("config"), describe(layer));
  }

  FakeExchange put_manifest(const std::string& reference, const std::string& content) {
    return ask({"PUT",
                "/v2/app/manifests/" + reference,
                content,
                with("Content-Type", "application/vnd.oci.image.manifest.v1+json")});
  }

  FakeExchange put_index(const std::string& tag,
                         const std::string& manifest,
                         std::string sparse = "") {
    auto headers = with("Content-Type", "application/vnd.oci.image.index.v1+json");
    headers.add("Tetrarch-Sparse-Index", std::move(sparse));
    auto content = fmt::format(R"({{"schemaVersion":2,"manifests":[{{"digest":"{}","size":{}}}]}})",
                               digest_of(manifest),
                               manifest.size());
    return ask({"PUT", "/v2/app/manifests/" + tag, std::move(content), std::move(headers)});
  }

  bool mark(std::string_view resource, const std::string& name) {
    return merge(std::string(resource),
                 "",
                 name,
                 R"({"metadata":{"annotations":)"
                 R"({"images.tetrarch.dev/unused-since":"2026-01-01T00:00:00Z"}}})")
        .ok();
  }

  bool is_marked(std::string_view resource, std::string name) {
    return object(resource, std::move(name))->metadata()["annotations"].size() > 0;
  }

  /// In order of their names.
  std::vector<std::string> holders(std::string_view content) {
    std::vector<std::string> out;
    const auto blob = object(kBlobs, blob_name(digest_of(content)));
    for (const auto node : blob->root()["spec"]["nodes"].elements()) {
      out.emplace_back(node.string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  void push(const std::string& tag, const std::string& layer) {
    push_blob("config");
    push_blob(layer);
    ASSERT_EQ(put_manifest(tag, manifest(layer)).status, 201);
  }

  void add_node(const std::string& name,
                const std::string& address,
                const std::string& port,
                const std::string& ready) {
    ASSERT_TRUE(create("nodes",
                       "",
                       fmt::format(R"({{"metadata":{{"name":"{}","annotations":)"
                                   R"({{"images.tetrarch.dev/blob-port":"{}"}}}}}})",
                                   name,
                                   port))
                    .ok());
    auto status = call("nodes", "", name);
    status.subresource = "status";
    const auto written = run(registry_->patch(
        std::move(status),
        client::PatchType::merge,
        fmt::format(R"({{"status":{{"conditions":[{{"type":"Ready","status":"{}"}}],)"
                    R"("addresses":[{{"type":"InternalIP","address":"{}"}}]}}}})",
                    ready,
                    address),
        {}));
    ASSERT_TRUE(written.ok()) << written.error().message;
  }

  Result<Stored> object(std::string_view resource, std::string name) {
    return run(registry_->client(registry::masters())
                   ->get(Key{std::string(resource), "", std::move(name)}));
  }

  Counter relayed_;
  bool is_full_ = false;
  std::vector<std::string> visits_;
  std::map<std::string, async::Event> is_done_;
  std::map<std::string, FakeAgent> agents_{{"a", {}}, {"b", {}}};
  std::unique_ptr<Distribution> api_;
};

TEST_F(DistributionTest, AsksWhoIsThere) {
  const auto nobody = ask({"GET", "/v2/", "", {}, false});
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(nobody.code(), "UNAUTHORIZED");
  EXPECT_THAT(std::string(nobody.headers.get("WWW-Authenticate")), HasSubstr("Basic realm="));
  EXPECT_EQ(ask({"GET", "/v2/"}).status, 200);
  for (const std::string& shown : {std::string("Bearer secret-of-ann"),
                                   "Basic " + base64_encode("x:secret-of-ann"),
                                   "basic  " + base64_encode(":secret-of-ann")}) {
    EXPECT_EQ(ask({"GET", "/v2/", "", with("Authorization", shown), false}).status, 200) << shown;
  }
  for (const std::string shown : {"Bearer wrong", "Basic !", "Basic", "Digest x"}) {
    EXPECT_EQ(ask({"GET", "/v2/", "", with("Authorization", shown), true}).status, 401) << shown;
  }
}

TEST_F(DistributionTest, EachRequestHasItsTurnAndIsNoted) {
  push_blob("layer");
  visits_.clear();
  const auto blob = "/v2/app/blobs/" + digest_of("layer");
  ask({"GET", "/v2/", "", {}, false});
  ask({"GET", "/v2/"});
  ask({"GET", blob});
  ask({"HEAD", blob});
  ask({"POST", "/v2/app/blobs/uploads/"});
  ask({"GET", "/v2/_catalog"});
  ask({"DELETE", "/v2/app/manifests/none"});
  EXPECT_THAT(visits_,
              testing::ElementsAre("stranger get /v2/ 401 UNAUTHORIZED",
                                   "admin get /v2/ 200 ",
                                   "admin get images blob started 200 ",
                                   "admin get images 200 ",
                                   "admin create images blob 202 ",
                                   "admin list images 200 ",
                                   "admin delete images 404 MANIFEST_UNKNOWN"));
}

TEST_F(DistributionTest, WhereTooManyWaitAClientIsToComeAgain) {
  is_full_ = true;
  const auto refused = ask({"GET", "/v2/_catalog"});
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.code(), "TOOMANYREQUESTS");
  EXPECT_EQ(refused.headers.get("Retry-After"), "1");
}

TEST_F(DistributionTest, DoesWhatRolesAllow) {
  push("1", "layer");
  const auto as_ann = [&](std::string method, std::string target) {
    return ask({std::move(method),
                std::move(target),
                "",
                with("Authorization", "Bearer secret-of-ann"),
                false})
        .status;
  };
  EXPECT_EQ(as_ann("GET", "/v2/app/manifests/1"), 403);
  ASSERT_TRUE(create("clusterroles.rbac.authorization.k8s.io",
                     "",
                     R"({"metadata":{"name":"pull"},"rules":[{"verbs":["get"],)"
                     R"("apiGroups":["images.tetrarch.dev"],"resources":["images"]}]})")
                  .ok());
  ASSERT_TRUE(create("clusterrolebindings.rbac.authorization.k8s.io",
                     "",
                     R"({"metadata":{"name":"pull"},"roleRef":{"apiGroup":)"
                     R"("rbac.authorization.k8s.io","kind":"ClusterRole","name":"pull"},)"
                     R"("subjects":[{"kind":"User","name":"ann"}]})")
                  .ok());
  EXPECT_EQ(as_ann("GET", "/v2/app/manifests/1"), 200);
  EXPECT_EQ(as_ann("GET", "/v2/app/blobs/" + digest_of("layer")), 200);
  EXPECT_EQ(as_ann("GET", "/v2/app/tags/list"), 403);
  EXPECT_EQ(as_ann("POST", "/v2/app/blobs/uploads/"), 403);
  EXPECT_EQ(as_ann("PUT", "/v2/app/manifests/1"), 403);
  EXPECT_EQ(as_ann("DELETE", "/v2/app/manifests/1"), 403);
}

TEST_F(DistributionTest, TakesABlobAtOnceInPiecesAndByPut) {
  push_blob("at once");
  const auto begun = ask({"POST", "/v2/app/blobs/uploads/"});
  ASSERT_EQ(begun.status, 202);
  EXPECT_EQ(begun.headers.get("Range"), "0-0");
  const std::string place(begun.headers.get("Location"));
  const auto more = ask({"PATCH", place, "in ", with("Content-Range", "0-2")});
  EXPECT_EQ(more.status, 202);
  EXPECT_EQ(more.headers.get("Range"), "0-2");
  EXPECT_EQ(ask({"PATCH", place, "x", with("Content-Range", "9-9")}).status, 416);
  EXPECT_EQ(ask({"PATCH", place, "pie", with("Content-Range", "3-5")}).status, 202);
  EXPECT_EQ(ask({"GET", place}).headers.get("Range"), "0-5");
  const auto done = ask({"PUT", place + "?digest=" + digest_of("in pieces"), "ces"});
  EXPECT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(done.headers.get("Docker-Content-Digest"), digest_of("in pieces"));
  for (const std::string content : {"at once", "in pieces"}) {
    EXPECT_EQ(agents_["a"].blobs[digest_of(content)], content);
    EXPECT_EQ(agents_["b"].blobs[digest_of(content)], content);
    const auto got = ask({"GET", "/v2/app/blobs/" + digest_of(content)});
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, content);
    EXPECT_TRUE(got.is_finished);
  }
  const auto blob = object(kBlobs, blob_name(digest_of("in pieces")));
  ASSERT_TRUE(blob.ok());
  EXPECT_EQ(blob->root()["spec"]["sizeBytes"].integer(), 9);
  EXPECT_EQ(blob->root()["spec"]["nodes"].size(), 2U);
  EXPECT_EQ(ask({"GET", place}).code(), "BLOB_UPLOAD_UNKNOWN") << "it has ended";
}

TEST_F(DistributionTest, RefusesWhatIsNotItsDigest) {
  const auto done = ask({"POST", "/v2/app/blobs/uploads/?digest=" + digest_of("other"), "this"});
  EXPECT_EQ(done.status, 400);
  EXPECT_EQ(done.code(), "DIGEST_INVALID");
  EXPECT_FALSE(object(kBlobs, blob_name(digest_of("other"))).ok());
  EXPECT_EQ(ask({"POST", "/v2/app/blobs/uploads/?digest=md5:1", "x"}).code(), "DIGEST_INVALID");
}

TEST_F(DistributionTest, KeepsABlobWhereOneMachineIs) {
  agents_["a"].is_away = true;
  push_blob("lonely");
  EXPECT_EQ(object(kBlobs, blob_name(digest_of("lonely")))->root()["spec"]["nodes"].raw(),
            R"(["b"])");
  agents_["b"].is_away = true;
  const auto refused = ask({"POST", "/v2/app/blobs/uploads/"});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "UNAVAILABLE");
  EXPECT_EQ(ask({"GET", "/v2/app/blobs/" + digest_of("lonely")}).status, 503);
}

TEST_F(DistributionTest, GivesABlobFromWhoAnswersAndInParts) {
  push_blob("0123456789");
  agents_["a"].is_away = true;
  const auto target = "/v2/app/blobs/" + digest_of("0123456789");
  EXPECT_EQ(ask({"GET", target}).body, "0123456789");
  agents_["a"].is_away = false;
  agents_["a"].blobs[digest_of("0123456789")] = "0123";  // breaks off
  EXPECT_EQ(ask({"GET", target}).body, "0123456789");
  const auto part = ask({"GET", target, "", with("Range", "bytes=7-")});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "789");
  EXPECT_EQ(part.headers.get("Content-Range"), "bytes 7-9/10");
  EXPECT_EQ(ask({"GET", target, "", with("Range", "bytes=10-")}).status, 416);
  const auto head = ask({"HEAD", target});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.get("Content-Length"), "10");
  EXPECT_EQ(head.body, "");
}

TEST_F(DistributionTest, LeavesOutAMachineThatHangs) {
  make_api(std::chrono::milliseconds(500));
  agents_["a"].hangs = true;

  push_blob(std::string(3'000'000, 'x'));

  EXPECT_THAT(holders(std::string(3'000'000, 'x')), testing::ElementsAre("b"));
  agents_["b"].hangs = true;
  const std::string more(3'000'000, 'y');
  const auto done = ask({"POST", "/v2/app/blobs/uploads/?digest=" + digest_of(more), more});
  EXPECT_EQ(done.status, 503) << done.body;
}

TEST_F(DistributionTest, WaitsForBothMachinesAtOnce) {
  for (const auto& [first, second] : {std::pair("a", "b"), std::pair("b", "a")}) {
    auto& is_done = is_done_[first];
    agents_[first] = {.tells = &is_done};
    agents_[second] = {.waits_for = &is_done};

    const auto content = std::string("first is ") + first;
    push_blob(content);

    EXPECT_THAT(holders(content), testing::ElementsAre("a", "b"));
  }
}

TEST_F(DistributionTest, ABlobThatAllHaveLostIsUnknownAndCanBePushedAgain) {
  push("1", "layer");
  const Asked look{"HEAD", "/v2/app/blobs/" + digest_of("layer")};
  EXPECT_EQ(ask(look).status, 200);
  agents_["a"].blobs.erase(digest_of("layer"));
  EXPECT_EQ(ask(look).status, 200) << "one is enough";
  agents_["b"].blobs.erase(digest_of("layer"));

  EXPECT_EQ(ask(look).code(), "BLOB_UNKNOWN");
  auto by_node = look;
  by_node.node = "c";
  EXPECT_EQ(ask(by_node).status, 200) << "it asks for others to ask";
  EXPECT_EQ(ask({"POST", "/v2/b/blobs/uploads/?from=app&mount=" + digest_of("layer")}).status, 202);
  EXPECT_EQ(put_manifest("2", manifest("layer")).code(), "MANIFEST_BLOB_UNKNOWN");

  agents_["a"].is_away = true;
  agents_["b"].is_away = true;
  agents_["c"] = {};
  agents_["d"] = {};
  push("2", "layer");
  EXPECT_THAT(holders("layer"), testing::ElementsAre("c", "d"));
  EXPECT_EQ(ask(look).status, 200);
  EXPECT_EQ(ask({"GET", look.target}).body, "layer");
}

TEST_F(DistributionTest, ABlobThatIsPushedAgainIsKeptByThoseThatHaveIt) {
  agents_["b"].is_away = true;
  push_blob("known");
  ASSERT_THAT(holders("known"), testing::ElementsAre("a"));
  agents_["b"].is_away = false;
  agents_["a"].is_full = true;
  ASSERT_TRUE(mark(kBlobs, blob_name(digest_of("known"))));

  push_blob("known");

  EXPECT_THAT(holders("known"), testing::ElementsAre("a", "b"));
  EXPECT_FALSE(is_marked(kBlobs, blob_name(digest_of("known"))));
}

TEST_F(DistributionTest, TellsNodesWhichOthersHaveABlob) {
  push_blob("0123456789");
  const auto target = "/v2/app/blobs/" + digest_of("0123456789");
  const auto name = blob_name(digest_of("0123456789"));
  const auto peers = [&](Asked asked) {
    return std::string(ask(std::move(asked)).headers.get("Tetrarch-Peers"));
  };
  Asked by_node{.method = "HEAD", .target = target, .node = "c"};
  EXPECT_EQ(peers(by_node), "") << "nobody says that it has it";
  auto copies = call(kBlobs, "", name);
  copies.subresource = "status";
  ASSERT_TRUE(run(registry_->patch(copies,
                                   client::PatchType::merge,
                                   R"({"status":{"copies":{"a":"x","b":"x","c":"x","d":"x"}}})",
                                   {}))
                  .ok());
  add_node("a", "10.0.0.1", "6444", "True");
  add_node("b", "10.0.0.2", "6444", "Unknown");
  add_node("c", "10.0.0.3", "6444", "True");
  add_node("d", "10.0.0.4", "none", "True");
  EXPECT_EQ(peers(by_node), "a https://10.0.0.1:6444") << "b is away, c asks, d gives nothing";
  EXPECT_EQ(peers({"HEAD", target}), "") << "who is no node learns nothing of nodes";
  EXPECT_EQ(relayed_.value(), 0U);
  EXPECT_EQ(ask({"GET", target}).body, "0123456789");
  EXPECT_EQ(relayed_.value(), 10U);
}

TEST_F(DistributionTest, MountsWhatIsThereAndElseBeginsAnUpload) {
  push_blob("shared");
  EXPECT_EQ(ask({"POST", "/v2/b/blobs/uploads/?from=app&mount=" + digest_of("shared")}).status,
            201);
  EXPECT_EQ(ask({"POST", "/v2/b/blobs/uploads/?from=app&mount=" + digest_of("not")}).status, 202);
}

TEST_F(DistributionTest, KeepsManifestsByteForByteByTagAndDigest) {
  push("1", "layer");
  const auto content = manifest("layer");
  for (const auto& reference : {std::string("1"), digest_of(content)}) {
    const auto got = ask({"GET", "/v2/app/manifests/" + reference});
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, content);
    EXPECT_EQ(got.headers.get("Docker-Content-Digest"), digest_of(content));
    EXPECT_EQ(got.headers.get("Content-Type"), "application/vnd.oci.image.manifest.v1+json");
  }
  EXPECT_EQ(ask({"HEAD", "/v2/app/manifests/1"}).headers.get("Content-Length"),
            std::to_string(content.size()));
  for (const std::string same :
       {"library/app/manifests/1?ns=docker.io", "app/manifests/1?ns=10.0.0.1:6443"}) {
    EXPECT_EQ(ask({"GET", "/v2/" + same}).status, 200) << same;
  }
  for (const std::string other :
       {"app/manifests/1?ns=quay.io", "other/manifests/1", "app/manifests/2"}) {
    EXPECT_EQ(ask({"GET", "/v2/" + other}).code(), "MANIFEST_UNKNOWN") << other;
  }
}

TEST_F(DistributionTest, RefusesManifestsThatDoNotHold) {
  push_blob("config");
  EXPECT_EQ(put_manifest("1", manifest("layer")).code(), "MANIFEST_BLOB_UNKNOWN");
  EXPECT_EQ(put_manifest("1", "{}").code(), "MANIFEST_INVALID");
  EXPECT_EQ(put_manifest("-", "{}").code(), "TAG_INVALID");
  EXPECT_EQ(put_manifest(digest_of("x"), manifest("layer")).code(), "DIGEST_INVALID");
  const auto large = put_manifest("1", std::string(5'000'000, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.code(), "SIZE_INVALID");
  EXPECT_FALSE(object(kImages, image_name("app", "1")).ok());
}

TEST_F(DistributionTest, TakesAnIndexWhoseManifestsAreThere) {
  const auto part = manifest("layer");
  const auto name = manifest_name("app", digest_of(part));
  const auto refused = put_index("1", part);
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(refused.code(), "MANIFEST_BLOB_UNKNOWN");
  EXPECT_EQ(put_index("sparse", part, "true").status, 201) << "who pushes knows";
  push_blob("config");
  push_blob("layer");
  ASSERT_EQ(put_manifest(digest_of(part), part).status, 201);
  ASSERT_TRUE(mark(kManifests, name));

  EXPECT_EQ(put_index("1", part).status, 201);

  EXPECT_FALSE(is_marked(kManifests, name)) << "it is about to be used";
}

TEST_F(DistributionTest, AManifestThatIsAskedForIsNotAboutToGo) {
  const auto part = manifest("layer");
  const auto name = manifest_name("app", digest_of(part));
  push("1", "layer");
  for (const auto* method : {"GET", "HEAD"}) {
    ASSERT_TRUE(mark(kManifests, name));

    EXPECT_EQ(ask({method, "/v2/app/manifests/" + digest_of(part)}).status, 200);

    EXPECT_FALSE(is_marked(kManifests, name)) << method;
  }
}

TEST_F(DistributionTest, MovesATag) {
  push("1", "old");
  push("1", "new");
  EXPECT_EQ(ask({"GET", "/v2/app/manifests/1"}).body, manifest("new"));
  EXPECT_EQ(ask({"GET", "/v2/app/manifests/" + digest_of(manifest("old"))}).status, 200)
      << "what no tag names is there until it is collected";
}

TEST_F(DistributionTest, RemovesTagsAndManifests) {
  push("1", "layer");
  push("2", "layer");
  EXPECT_EQ(ask({"DELETE", "/v2/app/manifests/1"}).status, 202);
  EXPECT_EQ(ask({"GET", "/v2/app/manifests/1"}).status, 404);
  EXPECT_EQ(ask({"GET", "/v2/app/manifests/2"}).status, 200);
  EXPECT_EQ(ask({"DELETE", "/v2/app/manifests/" + digest_of(manifest("layer"))}).status, 202);
  EXPECT_EQ(ask({"GET", "/v2/app/manifests/2"}).status, 404);
  EXPECT_EQ(ask({"DELETE", "/v2/app/manifests/2"}).code(), "MANIFEST_UNKNOWN");
  EXPECT_EQ(ask({"DELETE", "/v2/app/blobs/" + digest_of("layer")}).code(), "UNSUPPORTED");
}

TEST_F(DistributionTest, ListsInPages) {
  for (const auto* tag : {"c", "a", "b"}) {
    push(tag, "layer");
  }
  EXPECT_EQ(ask({"GET", "/v2/app/tags/list"}).body, R"({"name":"app","tags":["a","b","c"]})");
  const auto page = ask({"GET", "/v2/app/tags/list?n=2"});
  EXPECT_EQ(page.body, R"({"name":"app","tags":["a","b"]})");
  EXPECT_EQ(page.headers.get("Link"), "</v2/app/tags/list?n=2&last=b>; rel=\"next\"");
  const auto last = ask({"GET", "/v2/app/tags/list?n=2&last=b"});
  EXPECT_EQ(last.body, R"({"name":"app","tags":["c"]})");
  EXPECT_FALSE(last.headers.contains("Link"));
  EXPECT_EQ(ask({"GET", "/v2/app/tags/list?n=x"}).code(), "PAGINATION_NUMBER_INVALID");
  EXPECT_EQ(ask({"GET", "/v2/none/tags/list"}).code(), "NAME_UNKNOWN");
  EXPECT_EQ(ask({"GET", "/v2/_catalog"}).body, R"({"repositories":["app"]})");
}

struct RefusalRow {
  std::string_view method;
  std::string_view target;
  int status;
  std::string_view code;
};

TEST_F(DistributionTest, RefusesInTheWordsOfTheSpecification) {
  const RefusalRow rows[] = {
      {"GET", "/v2/app", 400, "NAME_INVALID"},
      {"GET", "/v2/APP/manifests/1", 400, "NAME_INVALID"},
      {"GET", "/v2/app/manifests/1?ns=a/b", 400, "NAME_INVALID"},
      {"GET", "/v2/app/blobs/sha256:1", 400, "DIGEST_INVALID"},
      {"GET", "/v2/app/blobs/uploads/", 405, "UNSUPPORTED"},
      {"PATCH", "/v2/app/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"},
      {"POST", "/v2/app/manifests/1", 405, "UNSUPPORTED"},
      {"POST", "/v2/app/tags/list", 405, "UNSUPPORTED"},
      {"POST", "/v2/_catalog", 405, "UNSUPPORTED"},
  };
  for (const auto& row : rows) {
    const auto answer = ask({std::string(row.method), std::string(row.target)});
    EXPECT_EQ(answer.status, row.status) << row.method << " " << row.target;
    EXPECT_EQ(answer.code(), row.code) << row.method << " " << row.target;
  }
}

TEST_F(DistributionTest, TakesTheMarkOffWhatIsPushedAgain) {
  push("1", "layer");
  const auto name = blob_name(digest_of("layer"));
  ASSERT_TRUE(mark(kBlobs, name));
  ASSERT_EQ(put_manifest("2", manifest("layer")).status, 201);
  EXPECT_FALSE(is_marked(kBlobs, name));
}

}  // namespace
}  // namespace tetrarch::api::distribution
