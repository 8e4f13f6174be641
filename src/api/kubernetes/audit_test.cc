// SPDX-License-Identifier: Apache-2.0
// Whole requests and the lines that they leave in the audit log.
#include "api/kubernetes/audit.h"

#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::SizeIs;

constexpr std::string_view kMap =
    R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","namespace":"a",)"
    R"("managedFields":[{"manager":"me"}]},"data":{"k":"v"}})";

class AuditTest : public ApiTest {
 protected:
  void audit(std::string_view rules) {
    const auto text =
        R"({"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":)" + std::string(rules) + "}";
    const auto document = object::Document::parse(text);
    auto policy = AuditPolicy::parse((*document)->root());
    ASSERT_TRUE(policy.ok()) << policy.error().message;
    log_.policy = *std::move(policy);
    log_.write = [this](std::string line) {
      auto parsed = object::Document::parse(line);
      EXPECT_TRUE(parsed.ok()) << line;
      EXPECT_EQ(line.find('\n'), std::string::npos);
      events_.push_back(*parsed);
    };
    auto parts = make_parts();
    parts.audit = &log_;
    api_ = make_kubernetes_api(std::move(parts));
  }

  object::View event(std::size_t at) const { return events_.at(at)->root(); }

  AuditLog log_;
  std::vector<DocumentPtr> events_;
};

TEST_F(AuditTest, SaysWhoAskedForWhatAndHowItEnded) {
  audit(R"([{"level":"Metadata"}])");
  registry_.object = stored("configmaps", kMap, 41);
  auto question = request("GET", "/api/v1/namespaces/a/configmaps/c?resourceVersion=0");
  question.headers.add("User-Agent", "kubectl/v1.35");
  question.headers.add("Audit-ID", "id-1");
  question.peer.address = "10.1.2.3:4567";

  call(std::move(question));

  ASSERT_THAT(events_, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto told = event(i);
    EXPECT_EQ(told["kind"].string(), "Event");
    EXPECT_EQ(told["apiVersion"].string(), "audit.k8s.io/v1");
    EXPECT_EQ(told["level"].string(), "Metadata");
    EXPECT_EQ(told["auditID"].string(), "id-1");
    EXPECT_EQ(told["requestURI"].string(), "/api/v1/namespaces/a/configmaps/c?resourceVersion=0");
    EXPECT_EQ(told["verb"].string(), "get");
    EXPECT_EQ(told.find("user.username").string(), "jane");
    EXPECT_EQ(told["sourceIPs"].at(0).string(), "10.1.2.3");
    EXPECT_EQ(told["userAgent"].string(), "kubectl/v1.35");
    EXPECT_EQ(told["objectRef"].raw(),
              R"({"resource":"configmaps","namespace":"a","name":"c","apiVersion":"v1"})");
    EXPECT_FALSE(told["responseObject"].exists());
  }
  EXPECT_EQ(event(0)["stage"].string(), "RequestReceived");
  EXPECT_FALSE(event(0)["responseStatus"].exists());
  EXPECT_EQ(event(1)["stage"].string(), "ResponseComplete");
  EXPECT_EQ(event(1)["responseStatus"].raw(), R"({"metadata":{},"code":200})");
  EXPECT_EQ(event(1)["annotations"].raw(), R"({"authorization.k8s.io/decision":"allow"})");
}

TEST_F(AuditTest, SaysNothingWhereNoRuleWantsIt) {
  audit(R"([{"level":"Metadata","verbs":["delete"]}])");
  registry_.object = stored("configmaps", kMap, 41);

  get("/api/v1/namespaces/a/configmaps/c");

  EXPECT_THAT(events_, SizeIs(0));
}

TEST_F(AuditTest, KeepsBodiesAsFarAsTheRuleWants) {
  audit(R"([{"level":"RequestResponse","verbs":["create"],"omitManagedFields":true},)"
        R"({"level":"Request","omitStages":["RequestReceived"]}])");
  registry_.object = stored("configmaps", kMap, 41);

  send("POST", "/api/v1/namespaces/a/configmaps", std::string(kMap), "application/json");
  send("PUT", "/api/v1/namespaces/a/configmaps/c", std::string(kMap), "application/json");

  ASSERT_THAT(events_, SizeIs(3));
  EXPECT_EQ(event(1)["requestObject"]["data"].raw(), R"({"k":"v"})");
  EXPECT_EQ(event(1).find("responseObject.metadata.resourceVersion").string(), "41");
  EXPECT_FALSE(event(1).find("requestObject.metadata.managedFields").exists());
  EXPECT_FALSE(event(1).find("responseObject.metadata.managedFields").exists());
  EXPECT_EQ(event(2)["verb"].string(), "update");
  EXPECT_TRUE(event(2).find("requestObject.metadata.managedFields").exists());
  EXPECT_FALSE(event(2)["responseObject"].exists());
}

TEST_F(AuditTest, SaysWhyARequestFailed) {
  audit(R"([{"level":"Metadata","omitStages":["RequestReceived"]}])");
  registry_.object = Error{Code::not_found, "configmaps \"c\" not found"};
  get("/api/v1/namespaces/a/configmaps/c");
  registry_.refusal = Error{Code::forbidden, "no"};
  get("/metrics");

  ASSERT_THAT(events_, SizeIs(2));
  EXPECT_EQ(event(0)["responseStatus"].raw(),
            R"({"metadata":{},"status":"Failure","message":"configmaps \"c\" not found",)"
            R"("reason":"NotFound","code":404})");
  EXPECT_EQ(event(1)["requestURI"].string(), "/metrics");
  EXPECT_FALSE(event(1)["objectRef"].exists());
  EXPECT_EQ(event(1)["annotations"].raw(), R"({"authorization.k8s.io/decision":"forbid"})");
}

TEST_F(AuditTest, NotesThoseThatNobodyKnows) {
  audit(R"([{"level":"Metadata","omitStages":["RequestReceived"]}])");
  auto question = request("GET", "/api/v1/pods");
  question.headers = {};
  question.headers.add("Authorization", "Bearer wrong");

  call(std::move(question));

  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(event(0).find("responseStatus.code").integer(), 401);
  EXPECT_EQ(event(0).find("user.username").string(), "");
}

TEST_F(AuditTest, TellsWhenAnOpenAnswerBegins) {
  audit(R"([{"level":"Metadata","omitStages":["RequestReceived"]}])");
  registry_.next_watch = std::make_unique<FakeWatch>();
  registry_.next_watch->error = Error{Code::expired, "too old"};

  get("/api/v1/namespaces/a/configmaps?watch=1");

  ASSERT_THAT(events_, SizeIs(2));
  EXPECT_EQ(event(0)["stage"].string(), "ResponseStarted");
  EXPECT_EQ(event(0)["verb"].string(), "watch");
  EXPECT_EQ(event(1)["stage"].string(), "ResponseComplete");
}

TEST_F(AuditTest, NamesWhoWasImpersonated) {
  audit(R"([{"level":"Metadata","users":["jane"],"omitStages":["RequestReceived"]}])");
  registry_.object = stored("configmaps", kMap, 41);
  auto question = request("GET", "/api/v1/namespaces/a/configmaps/c");
  question.headers.add("Impersonate-User", "ann");

  call(std::move(question));

  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(event(0).find("user.username").string(), "jane");
  EXPECT_EQ(event(0).find("impersonatedUser.username").string(), "ann");
}

TEST_F(AuditTest, LeavesOutAnswersThatAreVeryLarge) {
  audit(R"([{"level":"RequestResponse","omitStages":["RequestReceived"]}])");
  client::ListPage page;
  page.items.assign(20'000, stored("configmaps", kMap, 41));
  registry_.page = std::move(page);

  get("/api/v1/namespaces/a/configmaps");

  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_FALSE(event(0)["responseObject"].exists());
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
