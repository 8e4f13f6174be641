// SPDX-License-Identifier: Apache-2.0
// What another API server serves behind this one: who is asked and how, what that server hears of
// who asks, and what discovery says.
#include <mutex>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "api/kubernetes/aggregator.h"
#include "api/kubernetes/api_fixture.h"
#include "api/kubernetes/remote_match.h"
#include "api/kubernetes/request_verb.h"
#include "base/encoding.h"
#include "net/server.h"
#include "net/stream_dial.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
constexpr std::string_view kResources =
    R"({"kind":"APIResourceList","groupVersion":"example.com/v1","resources":[)"
    R"({"name":"boxes","singularName":"box","namespaced":true,"kind":"Box","verbs":["get","list"],"shortNames":["bx"]},)"
    R"({"name":"boxes/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale","verbs":["get"]}]})";

constexpr std::string_view kDescription =
    R"({"swagger":"2.0","paths":{"/apis/example.com/v1/boxes":{"get":{"operationId":"listBoxes","responses":{"200":{}}}},)"
    R"("/apis/apps/v1/deployments":{"get":{"operationId":"forged","responses":{}}}},)"
    R"("definitions":{"com.example.Box":{"type":"object","description":"A box."},)"
    R"("io.k8s.api.core.v1.Pod":{"description":"forged"}}})";

/// The other server: keeps what it hears.
class Other final : public net::Handler {
 public:
  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    int status = 0;
    {
      const std::lock_guard lock(mutex_);
      heard_ = request;
      status = status_;
    }
    net::Headers headers;
    headers.add("X-Theirs", "1");
    headers.add("Audit-Id", "theirs");
    std::string body =
        request.path == "/openapi/v2" ? std::string(kDescription)
        : request.path == "/openapi/v3"
            ? R"({"paths":{"apis/example.com/v1":{"serverRelativeURL":"/openapi/v3/apis/example.com/v1?hash=h"}}})"
            : std::string(kResources);
    (void)co_await exchange.respond(status, std::move(headers), std::move(body));
  }

  net::Request heard() {
    const std::lock_guard lock(mutex_);
    return std::exchange(heard_, {});
  }

  void answer_with(int status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }

 private:
  std::mutex mutex_;
  net::Request heard_;
  int status_ = 200;
};

template <class T>
Task<void> run_into(Task<T> task, std::optional<T>& out) {
  auto value = co_await std::move(task);
  out.emplace(std::move(value));
}

template <class T>
T run(Task<T> task) {
  asio::io_context context;
  std::optional<T> out;
  asio::co_spawn(context, run_into(std::move(task), out), [](const std::exception_ptr& error) {
    EXPECT_EQ(error, nullptr);
  });
  context.run();
  return std::move(*out);
}

class RemoteTest : public ApiTest {
 protected:
  RemoteTest() {
    serve_tls();
    aggregator_.use_credentials(front_.issue_client({"front-proxy-client", {}}, now()).value());
    auto parts = make_parts();
    parts.aggregator = &aggregator_;
    api_ = make_kubernetes_api(std::move(parts));
    add("services",
        R"({"kind":"Service","metadata":{"name":"s","namespace":"n"},"spec":{"ports":[{"name":"https","port":443}]}})");
    behind(R"({"addresses":["192.0.2.1"]})");
    configure("True");
  }

  ~RemoteTest() override { server_.stop_and_wait(); }

  static TimePoint now() { return system_clock().now(); }

  void serve_tls() {
    const auto pair = ca_.issue_server({"s", {}}, {.dns = {"s.n.svc"}}, now()).value();
    const net::TlsMaterial material{pair.certificate_pem, pair.key_pem, front_.certificate_pem()};
    port_ = server_.listen("127.0.0.1", 0, net::TlsContext::for_server(material).value()).value();
    server_.run();
  }

  void add(std::string_view resource, std::string_view json) {
    auto object = stored(resource, json, 5);
    const auto key = object.key;
    registry_.objects.insert_or_assign(key, std::move(object));
  }

  void behind(std::string_view endpoint) {
    const auto json = fmt::format(
        R"({{"kind":"EndpointSlice","metadata":{{"name":"s1","namespace":"n"}},"endpoints":[{}],)"
        R"("ports":[{{"name":"https","port":8443,"protocol":"TCP"}}]}})",
        endpoint);
    registry_.page =
        client::ListPage{{}, {stored("endpointslices.discovery.k8s.io", json, 6)}, "", 0};
  }

  static Stored api_service(std::string_view status, std::string_view more) {
    return stored(
        "apiservices.apiregistration.k8s.io",
        fmt::format(
            R"({{"kind":"APIService","metadata":{{"name":"v1.example.com"}},"spec":{{"group":"example.com","version":"v1",)"
            R"("groupPriorityMinimum":17790,"versionPriority":10,"service":{{"namespace":"n","name":"s","port":443}}{}}},)"
            R"("status":{{"conditions":[{{"type":"Available","status":"{}","reason":"Why","message":"so"}}]}}}})",
            more,
            status),
        7);
  }

  void configure(std::string_view status) {
    const auto bundle = fmt::format(R"(,"caBundle":"{}")", base64_encode(ca_.certificate_pem()));
    aggregator_.configure({api_service(status, bundle)});
  }

  std::string freshness() {
    const auto json = get("/apis", std::string(kAggregated)).json();
    for (const auto group : json->root()["items"].elements()) {
      if (group["metadata"]["name"].string() == "example.com") {
        return std::string(group["versions"].at(0)["freshness"].string());
      }
    }
    return "(none)";
  }

  std::string unreached() {
    const auto& answer = get("/apis/example.com/v1/boxes");
    EXPECT_EQ(answer.status, 503);
    return std::string(answer.json()->root()["message"].string());
  }

  trust::CertificateAuthority ca_ = trust::CertificateAuthority::create("ca", now()).value();
  trust::CertificateAuthority front_ = trust::CertificateAuthority::create("front", now()).value();
  async::IoPool pool_{1};
  Other other_;
  net::Server server_{pool_, other_, {}};
  std::uint16_t port_ = 0;
  std::vector<std::string> dialled_;
  std::unique_ptr<client::Client> client_ = registry_.client({});
  Aggregator aggregator_{
      {.client = *client_,
       .catalog = catalog(),
       .clock = clock_,
       .random = random_,
       .open_node =
           [this](NodeName node, std::string request) {
             reach_node_ = node.text;
             reach_request_ = std::move(request);
             return net::dial_stream("127.0.0.1", port_, std::chrono::seconds(5));
           },
       .dial =
           [this](std::string host, std::uint16_t port) {
             dialled_.push_back(fmt::format("{}:{}", host, port));
             return net::dial_stream("127.0.0.1", port_, std::chrono::seconds(5));
           }}};
};

TEST_F(RemoteTest, PassesARequestOnWithWhoAsksAndNothingElseOfThat) {
  auto question = request("POST", "/apis/example.com/v1/namespaces/a/boxes?dryRun=All");
  question.body = "{}";
  question.headers.add("X-Remote-User", "admin");
  question.headers.add("x-remote-extra-scopes", "all");
  question.headers.add("X-Own", "kept");
  exchange_ = nullptr;

  const auto& answer = call(std::move(question));

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("X-Theirs"), "1");
  EXPECT_EQ(answer.headers.all("Audit-Id").size(), 1U);
  EXPECT_NE(answer.headers.get("Audit-Id"), "theirs");
  EXPECT_EQ(answer.body, kResources);
  const auto heard = other_.heard();
  EXPECT_EQ(heard.method + " " + heard.path + "?" + heard.query,
            "POST /apis/example.com/v1/namespaces/a/boxes?dryRun=All");
  EXPECT_EQ(heard.body, "{}");
  EXPECT_EQ(heard.peer.certificate_common_name, "front-proxy-client");
  EXPECT_THAT(heard.headers.all("X-Remote-User"), ElementsAre("jane"));
  EXPECT_FALSE(heard.headers.contains("X-Remote-Extra-Scopes"));
  EXPECT_FALSE(heard.headers.contains("Authorization"));
  EXPECT_EQ(heard.headers.get("X-Own"), "kept");
  EXPECT_EQ(heard.headers.get("Host"), "s.n.svc:443");
  EXPECT_THAT(dialled_, ElementsAre("192.0.2.1:8443"));
  const auto& asked = registry_.authorized;
  EXPECT_EQ(fmt::format(
                "{} {}.{}/{} {}", asked.verb, asked.resource, asked.group, asked.version, asked.ns),
            "create boxes.example.com/v1 a");
}

TEST_F(RemoteTest, AsksTheRegistryFirst) {
  registry_.refusal = Error{Code::forbidden, "no"};

  EXPECT_EQ(get("/apis/example.com/v1/boxes").status, 403);
  EXPECT_EQ(registry_.authorized.verb, "list");
  EXPECT_EQ(get("/apis/example.com/v1").status, 403);
  EXPECT_EQ(registry_.authorized.path, "/apis/example.com/v1");
  EXPECT_EQ(dialled_.size(), 0U);
}

TEST_F(RemoteTest, ReachesAPodThroughItsNode) {
  behind(R"({"addresses":["10.42.0.2"],"targetRef":{"kind":"Pod","namespace":"n","name":"p"}})");
  add("pods",
      R"({"kind":"Pod","metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"nodeName":"n1"},"status":{"podIP":"10.42.0.2"}})");

  EXPECT_EQ(get("/apis/example.com/v1/boxes").status, 200);
  EXPECT_EQ(reach_node_, "n1");
  EXPECT_THAT(reach_request_, HasSubstr(R"("kind":"connect")"));
  EXPECT_THAT(reach_request_, HasSubstr(R"("port":8443)"));
  EXPECT_EQ(dialled_.size(), 0U);
}

TEST_F(RemoteTest, DialsNoAddressOfItsOwn) {
  for (const auto* address : {"127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1"}) {
    behind(fmt::format(R"({{"addresses":["{}"]}})", address));
    EXPECT_THAT(unreached(), HasSubstr("no endpoints available for service \"s\"")) << address;
  }
  EXPECT_EQ(dialled_.size(), 0U);
}

TEST_F(RemoteTest, SaysWhyNothingIsPassedOn) {
  configure("False");
  EXPECT_EQ(unreached(),
            "service unavailable: APIService v1.example.com is not available: Why: so");
  EXPECT_EQ(exchange_->json()->root()["reason"].string(), "ServiceUnavailable");

  const auto other = trust::CertificateAuthority::create("x", now()).value();
  aggregator_.configure({api_service(
      "True", fmt::format(R"(,"caBundle":"{}")", base64_encode(other.certificate_pem())))});
  EXPECT_THAT(unreached(), HasSubstr("certificate verify failed"));

  aggregator_.configure({api_service("True", R"(,"insecureSkipTLSVerify":true)")});
  EXPECT_EQ(get("/apis/example.com/v1/boxes").status, 200);
}

TEST_F(RemoteTest, PutsItIntoDiscoveryByItsPriority) {
  EXPECT_EQ(freshness(), "Stale");
  const auto probed = run(aggregator_.probe("v1.example.com"));
  ASSERT_TRUE(probed.ok()) << probed.error().message;
  EXPECT_EQ(freshness(), "Current");

  const auto groups = get("/apis").json();
  EXPECT_EQ(groups->root()["groups"].at(1)["name"].string(), "apps");
  EXPECT_EQ(groups->root()["groups"].at(2)["name"].string(), "example.com");
  EXPECT_EQ(get("/apis/example.com").json()->root().find("preferredVersion.version").string(),
            "v1");
  const auto list = get("/apis", std::string(kAggregated)).body;
  EXPECT_THAT(
      list,
      HasSubstr(
          R"({"resource":"boxes","responseKind":{"group":"example.com","version":"v1","kind":"Box"},"scope":"Namespaced",)"
          R"("singularResource":"box","verbs":["get","list"],"shortNames":["bx"],"subresources":[{"subresource":"scale",)"
          R"("responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"},"verbs":["get"]}]})"));
  EXPECT_THAT(get("/").body, HasSubstr("\"/apis/example.com/v1\""));

  configure("False");
  EXPECT_EQ(freshness(), "Stale");
  EXPECT_THAT(get("/apis", std::string(kAggregated)).body, HasSubstr("\"boxes\""));
  aggregator_.configure({});
  EXPECT_EQ(get("/apis/example.com").status, 404);
  EXPECT_EQ(get("/apis/example.com/v1/boxes").status, 404);
}

TEST_F(RemoteTest, LeadsToTheDescriptionThatTheServerGives) {
  EXPECT_THAT(get("/openapi/v3").body, testing::Not(HasSubstr("example.com")));
  ASSERT_TRUE(run(aggregator_.probe("v1.example.com")).ok());

  const auto index = get("/openapi/v3").json();
  const std::string url(
      index->root()["paths"]["apis/example.com/v1"]["serverRelativeURL"].string());
  EXPECT_EQ(url, "/openapi/v3/apis/example.com/v1?hash=h");
  EXPECT_TRUE(index->root()["paths"]["apis/apps/v1"].exists());
  EXPECT_EQ(get(url).status, 200);
  const auto heard = other_.heard();
  EXPECT_EQ(heard.path + "?" + heard.query, url);
  EXPECT_EQ(heard.headers.get("X-Remote-User"), "jane");
}

TEST_F(RemoteTest, TakesIntoItsDescriptionWhatIsTheServersToSay) {
  const auto json = get("/openapi/v2", "application/json").json();
  EXPECT_EQ(json->root()["definitions"]["com.example.Box"]["description"].string(), "A box.");
  EXPECT_EQ(json->root()["paths"]["/apis/example.com/v1/boxes"]["get"]["operationId"].string(),
            "listBoxes");
  EXPECT_THAT(exchange_->body, testing::Not(HasSubstr("forged")));
  (void)other_.heard();

  EXPECT_THAT(get("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf").body,
              HasSubstr("com.example.Box"));
  EXPECT_EQ(other_.heard().path, "") << "asked once a minute";
}

TEST_F(RemoteTest, SaysOfAProbeWhatKubernetesSays) {
  other_.answer_with(401);
  EXPECT_EQ(run(aggregator_.probe("v1.example.com")).error().message,
            "failing or missing response from https://s.n.svc:443/apis/example.com/v1: bad status "
            "from https://s.n.svc:443/apis/example.com/v1: 401");
  EXPECT_THAT(other_.heard().headers.all("X-Remote-Group"), ElementsAre("system:masters"));
  registry_.objects.clear();
  EXPECT_THAT(run(aggregator_.probe("v1.example.com")).error().message,
              HasSubstr("failing or missing response from https://s.n.svc:443"));
}

struct PathRow {
  std::string_view path;
  std::string_view method;
  std::string_view means;
};

TEST_F(RemoteTest, UnderstandsPathsAsKubernetesDoes) {
  constexpr auto kRows = std::to_array<PathRow>({
      {"", "GET", "get /  "},
      {"/boxes", "GET", "list boxes/  "},
      {"/boxes", "DELETE", "deletecollection boxes/  "},
      {"/boxes/b", "HEAD", "get boxes/  b"},
      {"/boxes/b/exec", "POST", "create boxes/exec  b"},
      {"/namespaces/n/boxes/b/proxy/x/y%2Fz", "PUT", "update boxes/proxy n b"},
      {"/namespaces/n", "GET", "get namespaces/ n n"},
      {"/namespaces/n/status", "PATCH", "patch namespaces/status n n"},
      {"/watch/namespaces/n/boxes", "GET", "watch boxes/ n "},
      {"/namespaces/a%2Fb/boxes", "GET", "(none)"},
      {"/boxes/%2e%2e", "GET", "(none)"},
      {"/boxes/b/proxy/x%2F..%2Fy", "GET", "(none)"},
      {"//boxes", "GET", "(none)"},
  });
  for (const auto& row : kRows) {
    net::Request question = request(std::string(row.method), "/apis/example.com/v1");
    std::shared_ptr<const RemoteApi> remote;
    const auto match =
        match_remote("/apis/example.com/v1" + std::string(row.path), aggregator_, remote).value();
    EXPECT_NE(remote, nullptr) << row.path;
    const auto means = match.route == nullptr ? "(none)"
                                              : fmt::format("{} {}/{} {} {}",
                                                            verb_of(match, question),
                                                            match.resource,
                                                            match.subresource,
                                                            match.ns,
                                                            match.name);
    EXPECT_EQ(means, row.means) << row.path;
  }
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
