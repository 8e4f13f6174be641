// SPDX-License-Identifier: Apache-2.0
// pods/proxy, services/proxy, nodes/proxy: where a request goes, what the backend hears and what
// the client gets.
#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kPod =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"a","uid":"u1"},)"
    R"("spec":{"nodeName":"n1","containers":[{"name":"sidecar"},)"
    R"({"name":"main","ports":[{"containerPort":8080}]}]},)"
    R"("status":{"phase":"Running","podIP":"10.42.0.2","podIPs":[{"ip":"10.42.0.2"}]}})";

constexpr std::string_view kService =
    R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"svc","namespace":"a"},)"
    R"("spec":{"ports":[{"name":"http","port":80,"targetPort":8080},)"
    R"({"name":"other","port":81,"targetPort":9090}]}})";

std::string slice(std::string_view address, std::string_view target, bool is_ready = true) {
  return R"({"kind":"EndpointSlice","metadata":{"name":"s1","namespace":"a"},"endpoints":[)"
         R"({"addresses":[")" +
         std::string(address) + R"("],"conditions":{"ready":)" + (is_ready ? "true" : "false") +
         "}" + std::string(target) +
         R"(}],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]})";
}

constexpr std::string_view kIsPod =
    R"(,"targetRef":{"kind":"Pod","namespace":"a","name":"web","uid":"u1"})";

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class ProxyTest : public ApiTest {
 protected:
  ProxyTest() {
    add("pods", kPod);
    add("services", kService);
    behind(slice("10.42.0.2", kIsPod));
  }

  void add(std::string_view resource, std::string_view json) {
    auto object = stored(resource, json, 5);
    const auto key = object.key;
    registry_.objects.insert_or_assign(key, std::move(object));
  }

  void behind(const std::string& slice) {
    registry_.page =
        client::ListPage{{}, {stored("endpointslices.discovery.k8s.io", slice, 6)}, "", 0};
  }

  void backend_says(std::string_view bytes) {
    heard_.clear();
    reach_stream_ =
        std::unique_ptr<net::Stream>(std::make_unique<FakeStream>(std::string(bytes), &heard_));
  }

  /// "200 hello", or the code and message of a Status.
  std::string outcome(const std::string& path) {
    reach_request_.clear();
    backend_says(kHello);
    const auto& answer = get("/api/v1/" + path);
    return std::to_string(answer.status) + " " +
           (answer.status == 200 ? answer.body
                                 : std::string(answer.json()->root()["message"].string()));
  }

  std::string heard_;
};

TEST_F(ProxyTest, PassesARequestOnToAPod) {
  backend_says(
      "HTTP/1.1 201 Made\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");

  const auto& answer =
      send("POST", "/api/v1/namespaces/a/pods/web:9/proxy/x%2Fy/?q=%20", "body", "a/b");

  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.headers.get("X-Own"), "1");
  EXPECT_EQ(answer.headers.get("Transfer-Encoding"), "");
  EXPECT_EQ(answer.body, "ok");
  EXPECT_TRUE(answer.is_finished);
  EXPECT_THAT(heard_, StartsWith("POST /x%2Fy/?q=%20 HTTP/1.1\r\n"));
  EXPECT_THAT(heard_, HasSubstr("\r\nContent-Type: a/b\r\n"));
  EXPECT_THAT(heard_, HasSubstr("\r\nContent-Length: 4\r\n\r\nbody"));
  EXPECT_THAT(heard_, Not(HasSubstr("Bearer")));
  EXPECT_EQ(reach_node_, "n1");
  EXPECT_EQ(reach_request_,
            R"({"kind":"connect","namespace":"a","pod":"web","uid":"u1","container":"","port":9})");
}

TEST_F(ProxyTest, AsksForTheRightThatTheMethodNeeds) {
  for (const auto& [method, verb] : {std::pair{"GET", "get"},
                                     {"HEAD", "get"},
                                     {"POST", "create"},
                                     {"PUT", "update"},
                                     {"PATCH", "patch"},
                                     {"DELETE", "delete"},
                                     {"OPTIONS", "options"}}) {
    backend_says(kHello);
    EXPECT_EQ(send(method, "/api/v1/namespaces/a/services/svc:80/proxy/", "").status, 200);
    const auto& asked = registry_.authorized;
    EXPECT_EQ(asked.verb, verb);
    EXPECT_EQ(asked.resource + "/" + asked.subresource + " " + asked.ns + " " + asked.name,
              "services/proxy a svc:80");
  }
}

TEST_F(ProxyTest, RefusesWhoMayNot) {
  registry_.refusal = Error{Code::forbidden, "no"};
  backend_says(kHello);

  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/proxy/").status, 403);
  EXPECT_EQ(reach_request_, "");
}

TEST_F(ProxyTest, FindsThePortOfAPod) {
  EXPECT_EQ(outcome("namespaces/a/pods/web/proxy/"), "200 hello");
  EXPECT_THAT(reach_request_, HasSubstr(R"("port":8080)"));
  EXPECT_EQ(outcome("namespaces/a/pods/web:0/proxy/"), "400 invalid pod request \"web:0\"");
  EXPECT_EQ(outcome("namespaces/a/pods/ftp:web:1/proxy/"), "400 invalid pod request \"ftp:web:1\"");
  EXPECT_EQ(outcome("namespaces/a/pods/gone/proxy/"), "404 pods \"x\" not found");
  add("pods", R"({"metadata":{"name":"web","namespace":"a"},"status":{"phase":"Pending"}})");
  EXPECT_EQ(outcome("namespaces/a/pods/web/proxy/"), "400 address not allowed");
  add("pods", R"({"metadata":{"name":"web","namespace":"a"},"status":{"podIP":"10.1.1.1"}})");
  EXPECT_EQ(outcome("namespaces/a/pods/web/proxy/"), "200 hello");
  EXPECT_THAT(reach_request_, HasSubstr(R"("port":80})"));
}

TEST_F(ProxyTest, FindsAPodBehindAService) {
  for (const auto* name : {"svc:80", "svc:http", "http:svc:http", "svc%3A80"}) {
    EXPECT_EQ(outcome(std::string("namespaces/a/services/") + name + "/proxy/"), "200 hello");
    EXPECT_THAT(reach_request_, HasSubstr(R"("pod":"web","uid":"u1","container":"","port":8080)"));
  }
}

TEST_F(ProxyTest, SaysWhyAServiceHasNoBackend) {
  EXPECT_EQ(outcome("namespaces/a/services/svc:82/proxy/"),
            "503 no service port 82 found for service \"svc\"");
  const std::string none = "503 no endpoints available for service \"svc:80\"";
  EXPECT_EQ(outcome("namespaces/a/services/svc/proxy/"),
            "503 no endpoints available for service \"svc\"");
  behind(slice("10.42.0.2", kIsPod, false));
  EXPECT_EQ(outcome("namespaces/a/services/svc:80/proxy/"), none);
  behind(slice("10.0.0.1", ""));  // no pod: who may write endpoints chooses it
  EXPECT_EQ(outcome("namespaces/a/services/svc:80/proxy/"), none);
  behind(slice("10.42.0.3", kIsPod));  // not that pod's address
  EXPECT_EQ(outcome("namespaces/a/services/svc:80/proxy/"), none);
  EXPECT_EQ(exchange_->headers.get("Retry-After"), "");
  EXPECT_EQ(exchange_->json()->root()["reason"].string(), "ServiceUnavailable");
}

TEST_F(ProxyTest, ReachesAPortOfANodeThatIsNamed) {
  add("nodes", R"({"kind":"Node","metadata":{"name":"n2"}})");

  EXPECT_EQ(outcome("nodes/n2:9100/proxy/metrics"), "200 hello");
  EXPECT_EQ(reach_node_, "n2");
  EXPECT_EQ(reach_request_, R"({"kind":"connect","port":9100})");
  EXPECT_THAT(outcome("nodes/n2/proxy/stats"), StartsWith("501 node \"n2\" has no endpoint"));
  EXPECT_EQ(outcome("nodes/n2:x/proxy/"), "400 invalid node request \"n2:x\"");
}

TEST_F(ProxyTest, SaysThatABackendIsNotReached) {
  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/proxy/").status, 503);
  EXPECT_EQ(exchange_->json()->root()["message"].string(),
            "error trying to reach service: node \"n1\" is not connected");

  for (const auto* nonsense : {"", "SSH-2.0\r\n", "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n"}) {
    backend_says(nonsense);
    EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/proxy/").status, 503) << nonsense;
    EXPECT_THAT(exchange_->body, HasSubstr("error trying to reach service: "));
  }
}

TEST_F(ProxyTest, SendsTheRootToItsSlash) {
  const auto& answer = get("/api/v1/namespaces/a/pods/web/proxy?a=b");

  EXPECT_EQ(answer.status, 301);
  EXPECT_EQ(answer.headers.get("Location"), "/api/v1/namespaces/a/pods/web/proxy/?a=b");
  EXPECT_EQ(heard_, "");

  backend_says(kHello);
  EXPECT_EQ(send("DELETE", "/api/v1/namespaces/a/pods/web/proxy", "").status, 200);
  EXPECT_THAT(heard_, StartsWith("DELETE / HTTP/1.1\r\n"));
}

TEST_F(ProxyTest, LeadsRedirectsThroughItself) {
  backend_says("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n");

  const auto& answer = get("/api/v1/namespaces/a/services/svc:80/proxy/a/b");

  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.headers.get("Location"), "/api/v1/namespaces/a/services/svc:80/proxy/login");
}

TEST_F(ProxyTest, CutsOffWhatBreaksOff) {
  backend_says("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf");

  const auto& answer = get("/api/v1/namespaces/a/pods/web/proxy/");

  EXPECT_EQ(answer.body, "half");
  EXPECT_FALSE(answer.is_finished);
}

TEST_F(ProxyTest, AnswersWithoutABodyWhereThereIsNone) {
  backend_says("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n");
  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/proxy/").status, 304);
  EXPECT_FALSE(exchange_->is_started);

  backend_says("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
  EXPECT_EQ(send("HEAD", "/api/v1/namespaces/a/pods/web/proxy/", "").status, 200);
  EXPECT_EQ(exchange_->headers.get("Content-Length"), "50");
  EXPECT_TRUE(exchange_->is_finished);
}

TEST_F(ProxyTest, PassesAnUpgradeThrough) {
  backend_says("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfrom the backend");
  std::string client_heard;
  exchange_ = std::make_unique<FakeExchange>();
  exchange_->raw = std::make_unique<FakeStream>("", &client_heard);
  auto question = request("GET", "/api/v1/namespaces/a/pods/web/proxy");
  question.headers.add("Connection", "Upgrade");
  question.headers.add("Upgrade", "echo");

  const auto& answer = call(std::move(question));

  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.headers.get("Upgrade"), "echo");
  EXPECT_THAT(heard_, HasSubstr("GET / HTTP/1.1\r\n"));
  EXPECT_THAT(heard_, HasSubstr("\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"));
}

TEST_F(ProxyTest, IsDiscovered) {
  const auto& list = get("/api/v1");

  for (const auto* kind : {"Pod", "Service", "Node"}) {
    EXPECT_THAT(list.body, HasSubstr(std::string("\"kind\":\"") + kind + "ProxyOptions\""));
  }
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
