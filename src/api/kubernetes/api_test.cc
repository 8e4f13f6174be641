// SPDX-License-Identifier: Apache-2.0
// One request at a time through the handler: what the registry is asked, and what the client is
// answered.
#include <fmt/format.h>

#include "api/kubernetes/api_fixture.h"
#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPod =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"a","uid":"u1"},)"
    R"("spec":{}})";
constexpr std::string_view kTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

Stored a_pod() {
  return stored("pods", kPod, 41);
}

TEST_F(ApiTest, GetSendsTheStoredObjectWithItsRevision) {
  registry_.object = a_pod();

  const auto& answer = get("/api/v1/namespaces/a/pods/web");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(answer.body,
            R"({"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"41","name":"web",)"
            R"("namespace":"a",)"
            R"("uid":"u1"},"spec":{}})"
            "\n");
  EXPECT_EQ(registry_.asked.kind->kind, "Pod");
  EXPECT_EQ(registry_.asked.ns, "a");
  EXPECT_EQ(registry_.asked.name, "web");
  EXPECT_EQ(registry_.asked.identity.user, "jane");
}

TEST_F(ApiTest, GetOfNothingIsAStatus) {
  registry_.object = Error{Code::not_found, "pods \"web\" not found"};

  const auto& answer = get("/api/v1/namespaces/a/pods/web");

  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(
      answer.body,
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods )"
      R"(\"web\" not found",)"
      R"("reason":"NotFound","details":{"name":"web","kind":"pods"},"code":404})");
}

TEST_F(ApiTest, ListSendsAllItemsInOneBody) {
  client::ListPage page;
  page.revision = Revision{50};
  page.items = {a_pod(), a_pod()};
  page.continue_token = "more";
  page.remaining = 3;
  registry_.page = std::move(page);

  const auto& answer = get("/api/v1/namespaces/a/pods?limit=2&labelSelector=app%3Dweb");

  EXPECT_THAT(answer.body,
              testing::StartsWith(
                  R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"50",)"
                  R"("continue":"more","remainingItemCount":3},"items":[{"kind":"Pod")"));
  EXPECT_EQ(answer.json()->root()["items"].size(), 2U);
  EXPECT_EQ(registry_.asked_list.limit, 2U);
  EXPECT_EQ(registry_.asked_list.select.labels, "app=web");
}

TEST_F(ApiTest, AnEmptyListIsNoError) {
  const auto& answer = get("/apis/apps/v1/deployments");

  EXPECT_EQ(answer.body,
            R"({"kind":"DeploymentList","apiVersion":"apps/v1","metadata":{"resourceVersion":"0"},)"
            R"("items":[]})"
            "\n");
}

/// With uids, as they are once they are stored.
FlowObjects stored_flows() {
  auto out = first_flow_objects();
  for (auto* list : {&out.schemas, &out.levels}) {
    for (auto& each : *list) {
      auto json = each.document->bytes();
      const std::string at = R"("name":")" + each.key.name + "\"";
      json.insert(json.find(at) + at.size(), R"(,"uid":"uid-of-)" + each.key.name + "\"");
      each.document = Document::from_canonical(std::move(json));
    }
  }
  return out;
}

TEST_F(ApiTest, EveryAnswerSaysWhichFlowItsRequestIsOf) {
  const auto uids = [](const FakeExchange& answer) {
    return fmt::format("{} {}",
                       answer.headers.get("X-Kubernetes-PF-FlowSchema-UID"),
                       answer.headers.get("X-Kubernetes-PF-PriorityLevel-UID"));
  };
  EXPECT_EQ(uids(get("/version")), " ") << "the objects have none yet";

  fairness_.configure(stored_flows());
  auto of_admin = request("GET", "/api/v1/pods");
  of_admin.peer.certificate_common_name = "root";
  of_admin.peer.certificate_organizations = {"system:masters"};
  EXPECT_EQ(uids(get("/version")), "uid-of-catch-all uid-of-catch-all");
  EXPECT_EQ(uids(get("/nowhere")), "uid-of-catch-all uid-of-catch-all");
  EXPECT_EQ(uids(call(std::move(of_admin))), "uid-of-exempt uid-of-exempt");
}

TEST_F(ApiTest, WhoGetsNoSeatIsToldToComeAgain) {
  auto objects = stored_flows();
  for (auto& level : objects.levels) {
    if (level.key.name == "catch-all") {
      auto text = level.document->bytes();
      const std::string shares = R"("nominalConcurrencyShares":5)";
      text.replace(text.find(shares), shares.size(), R"("nominalConcurrencyShares":0)");
      text.insert(text.find(R"("lendablePercent")"), R"("borrowingLimitPercent":0,)");
      level.document = Document::from_canonical(std::move(text));
    }
  }
  fairness_.configure(objects);

  const auto& answer = get("/api/v1/namespaces/default/pods/x");

  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.get("Retry-After"), "1");
  EXPECT_EQ(answer.headers.get("X-Kubernetes-PF-PriorityLevel-UID"), "uid-of-catch-all");
  EXPECT_EQ(answer.json()->root()["reason"].string(), "TooManyRequests");
  EXPECT_EQ(get("/readyz").status, 200) << "health is always answered";
}

TEST_F(ApiTest, ListIsATableForKubectl) {
  client::ListPage page;
  page.revision = Revision{50};
  page.items = {a_pod()};
  registry_.page = std::move(page);

  const auto& answer = get("/api/v1/namespaces/a/pods?limit=500", std::string(kTable));
  const auto json = answer.json();
  const auto root = json->root();

  EXPECT_EQ(root["kind"].string(), "Table");
  EXPECT_EQ(root["metadata"]["resourceVersion"].string(), "50");
  EXPECT_EQ(root["columnDefinitions"].at(0)["name"].string(), "Name");
  EXPECT_EQ(root["rows"].at(0)["cells"].at(0).string(), "web");
  EXPECT_EQ(root["rows"].at(0)["object"]["kind"].string(), "PartialObjectMetadata");
}

TEST_F(ApiTest, EveryColumnOfTheTablesHasASource) {
  for (const auto& kind : catalog().kinds()) {
    for (const auto& column : kind->columns) {
      const bool is_template = column.source.find('{') != std::string::npos;
      EXPECT_TRUE(is_template || find_computed(column.source) != nullptr)
          << kind->kind << " " << column.name << " " << column.source;
    }
  }
}

TEST_F(ApiTest, ListIsMetadataOnlyWhereAskedFor) {
  client::ListPage page;
  page.items = {a_pod()};
  registry_.page = std::move(page);

  const auto& answer = get("/api/v1/namespaces/a/pods",
                           "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");

  EXPECT_EQ(answer.body,
            R"({"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{)"
            R"("resourceVersion":"0"},)"
            R"("items":[{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)"
            R"({"resourceVersion":"41","name":"web","namespace":"a","uid":"u1"}}]})"
            "\n");
}

TEST_F(ApiTest, CreateHandsTheBodyOverAndWarns) {
  registry_.object = a_pod();
  registry_.warnings = {R"(unknown field "spec.x")"};

  const auto& answer =
      send("POST",
           "/api/v1/namespaces/a/pods?fieldManager=me&fieldValidation=Strict&dryRun=All",
           "{}",
           "application/json");

  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.headers.get("Warning"), R"(299 - "unknown field \"spec.x\"")");
  EXPECT_EQ(registry_.asked_verb, "create");
  EXPECT_EQ(registry_.asked_body, "{}");
  EXPECT_TRUE(registry_.asked.is_dry_run);
  EXPECT_EQ(registry_.asked.field_validation, registry::FieldValidation::strict);
  EXPECT_EQ(registry_.asked_write.field_manager, "me");
}

/// A ConfigMap "c" with data a=1, as kubectl writes it: magic, then what it is, then the message.
constexpr std::string_view kConfigMap{
    "k8s\0"
    "\x0a\x0f\x0a\x02v1\x12\x09"
    "ConfigMap"
    "\x12\x0f\x0a\x05\x0a\x01"
    "c\x12\x00"
    "\x12\x06\x0a\x01"
    "a\x12\x01"
    "1\x1a\x00\x22\x00",
    42};

TEST_F(ApiTest, WhatWasNeverStoredHasNoVersion) {
  registry_.object =
      stored("configmaps", R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}})", 0);

  const auto& answer =
      send("POST", "/api/v1/namespaces/a/configmaps?dryRun=All", "{}", "application/json");

  EXPECT_EQ(answer.body,
            R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}})"
            "\n");
}

TEST_F(ApiTest, ProtobufBodiesAreHandedOverAsJson) {
  registry_.object =
      stored("configmaps", R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}})", 9);

  for (const auto* method : {"POST", "PUT"}) {
    const auto* path = std::string_view(method) == "POST" ? "/api/v1/namespaces/a/configmaps"
                                                          : "/api/v1/namespaces/a/configmaps/c";
    const auto& answer =
        send(method, path, std::string(kConfigMap), "application/vnd.kubernetes.protobuf");
    EXPECT_EQ(answer.status, std::string_view(method) == "POST" ? 201 : 200) << answer.body;
    EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
    EXPECT_EQ(registry_.asked_body,
              R"({"kind":"ConfigMap","apiVersion":"v1","data":{"a":"1"},"metadata":{"name":"c"}})");
  }
}

TEST_F(ApiTest, ProtobufBodiesThatCannotBeReadAreBadRequests) {
  const auto& answer = send("POST",
                            "/api/v1/namespaces/a/configmaps",
                            std::string(kConfigMap.substr(0, 30)),
                            "application/vnd.kubernetes.protobuf");

  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json()->root()["message"].string(),
            "protobuf: the message ends in the middle of a field");
  EXPECT_EQ(registry_.asked_verb, "");
}

TEST_F(ApiTest, InvalidNamesTheObjectOfTheBody) {
  registry_.object =
      Error{Code::invalid, "", {{"FieldValueRequired", "Required value", "spec.containers"}}};

  const auto& answer = send(
      "POST", "/api/v1/namespaces/a/pods", R"({"metadata":{"name":"web"}})", "application/json");

  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.json()->root()["message"].string(),
            "Pod \"web\" is invalid: spec.containers: Required value");
  EXPECT_EQ(answer.json()->root().find("details.name").string(), "web");
}

TEST_F(ApiTest, BindingAnswersWithAStatus) {
  registry_.object =
      stored("pods", R"({"kind":"Binding","apiVersion":"v1","metadata":{"name":"web"}})", 42);

  const auto& answer = send("POST", "/api/v1/namespaces/a/pods/web/binding", "{}");

  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.json()->root()["status"].string(), "Success");
  EXPECT_EQ(registry_.asked.subresource, "binding");
}

TEST_F(ApiTest, TheOlderBindingsPathAnswersWithAStatusToo) {
  registry_.object = a_pod();

  const auto& answer = send("POST", "/api/v1/namespaces/a/bindings", "{}", "application/json");

  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.json()->root()["kind"].string(), "Status");
}

TEST_F(ApiTest, UpdateReachesTheSubresource) {
  registry_.object = a_pod();

  const auto& answer =
      send("PUT", "/api/v1/namespaces/a/pods/web/status", "{}", "application/json");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(registry_.asked_verb, "update");
  EXPECT_EQ(registry_.asked.subresource, "status");
}

TEST_F(ApiTest, PatchTakesTheTypeFromTheMediaType) {
  registry_.object = a_pod();

  send("PATCH", "/api/v1/namespaces/a/pods/web", "[]", "application/json-patch+json");
  EXPECT_EQ(registry_.asked_patch, client::PatchType::json);
  send("PATCH", "/api/v1/namespaces/a/pods/web", "{}", "application/merge-patch+json");
  EXPECT_EQ(registry_.asked_patch, client::PatchType::merge);
  send("PATCH",
       "/api/v1/namespaces/a/pods/web",
       "{}",
       "application/strategic-merge-patch+json; charset=utf-8");
  EXPECT_EQ(registry_.asked_patch, client::PatchType::strategic);
}

TEST_F(ApiTest, ApplyHandsOnManagerAndForceAndTellsWhatItCreated) {
  registry_.object = a_pod();
  registry_.creates = true;

  const auto& made = send("PATCH",
                          "/api/v1/namespaces/a/pods/web?fieldManager=m&force=true",
                          "kind: Pod",
                          "application/apply-patch+yaml");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(registry_.asked_patch, client::PatchType::apply);
  EXPECT_EQ(registry_.asked_body, "kind: Pod");
  EXPECT_EQ(registry_.asked.field_manager, "m");
  EXPECT_TRUE(registry_.asked_write.is_forced);

  registry_.creates = false;
  EXPECT_EQ(send("PATCH",
                 "/api/v1/namespaces/a/pods/web?fieldManager=m",
                 "{}",
                 "application/apply-patch+yaml")
                .status,
            200);
  EXPECT_EQ(
      send("PATCH", "/api/v1/namespaces/a/pods/web", "{}", "application/apply-patch+yaml").status,
      422);
}

TEST_F(ApiTest, YamlBodiesBecomeJson) {
  registry_.object = a_pod();

  EXPECT_EQ(send("POST", "/api/v1/namespaces/a/pods", "a: [yes, 010]", "application/yaml").status,
            201);
  EXPECT_EQ(registry_.asked_body, R"({"a":[true,8]})");
  EXPECT_EQ(send("PUT", "/api/v1/namespaces/a/pods/web", "a: b", "application/yaml").status, 200);
  EXPECT_EQ(registry_.asked_body, R"({"a":"b"})");
  const auto& refused =
      send("POST", "/api/v1/namespaces/a/pods", "a: b: c", "application/yaml; charset=utf-8");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(std::string(refused.json()->root()["message"].string()),
              testing::StartsWith("error converting YAML to JSON: yaml: line 1: "));
}

TEST_F(ApiTest, ForeignMediaTypesAreRefused) {
  for (const auto* type : {"application/apply-patch+json", "application/json", ""}) {
    const auto& answer = send("PATCH", "/api/v1/namespaces/a/pods/web", "{}", type);
    EXPECT_EQ(answer.status, 415) << type;
    EXPECT_EQ(answer.json()->root()["reason"].string(), "UnsupportedMediaType");
    EXPECT_THAT(std::string(answer.json()->root()["message"].string()),
                HasSubstr("application/merge-patch+json"));
  }
  for (const auto* method : {"POST", "PUT", "DELETE"}) {
    const auto* path = std::string_view(method) == "POST" ? "/api/v1/namespaces/a/pods"
                                                          : "/api/v1/namespaces/a/pods/web";
    EXPECT_EQ(send(method, path, "a: b", "text/yaml").status, 415) << method;
  }
  EXPECT_EQ(registry_.asked_verb, "");
}

TEST_F(ApiTest, DeleteOfAnObjectThatGoesAtOnceIsASuccess) {
  registry_.object =
      stored("configmaps",
             R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","uid":"u9"}})",
             9);

  const auto& answer = send("DELETE", "/api/v1/namespaces/a/configmaps/c", "");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success",)"
            R"("details":{"name":"c","kind":"configmaps","uid":"u9"}})");
}

TEST_F(ApiTest, DeleteOfAnObjectThatIsEndingShowsIt) {
  registry_.object =
      stored("configmaps",
             R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","deletionTimestamp":)"
             R"("2026-11-23T12:00:00Z"}})",
             9);

  const auto& answer = send("DELETE",
                            "/api/v1/namespaces/a/configmaps/c",
                            R"({"propagationPolicy":"Foreground"})",
                            "application/json");

  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.json()->root()["kind"].string(), "ConfigMap");
  EXPECT_EQ(registry_.asked_delete.propagation, client::Propagation::foreground);
}

TEST_F(ApiTest, DeleteCollectionSelects) {
  const auto& answer = send("DELETE", "/api/v1/namespaces/a/pods?labelSelector=x", "");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(registry_.asked_verb, "remove_collection");
  EXPECT_EQ(registry_.asked_list.select.labels, "x");
}

struct RefusalRow {
  std::string_view name;
  std::string_view method;
  std::string_view path;
  int status;
  std::string_view reason;
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr RefusalRow kRefusals[] = {
    {"path_not_utf8", "GET", "/api/v1/nodes/%ff", 400, "BadRequest"},
    {"slash_in_a_name", "GET", "/api/v1/nodes/a%2Fb", 404, "NotFound"},
    {"way_up", "GET", "/api/v1/../metrics", 404, "NotFound"},
    {"options", "OPTIONS", "/api/v1/nodes", 405, "MethodNotAllowed"},
    {"head", "HEAD", "/api/v1/nodes", 405, "MethodNotAllowed"},
    {"trace", "TRACE", "/api/v1/nodes", 405, "MethodNotAllowed"},
    {"patch_of_a_collection", "PATCH", "/api/v1/nodes", 405, "MethodNotAllowed"},
    {"deletecollection_of_namespaces", "DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"},
    {"delete_of_a_subresource",
     "DELETE",
     "/apis/apps/v1/namespaces/a/deployments/d/scale",
     405,
     "MethodNotAllowed"},
    {"list_of_bindings", "GET", "/api/v1/namespaces/a/bindings", 405, "MethodNotAllowed"},
    {"unknown_version", "GET", "/apis/apps/v9/deployments", 404, "NotFound"},
    {"older_version", "GET", "/apis/apps/v1beta1/deployments", 404, "NotFound"},
    {"unknown_validation", "POST", "/api/v1/nodes?fieldValidation=x", 422, "Invalid"},
    {"unknown_match",
     "GET",
     "/api/v1/nodes?resourceVersion=1&resourceVersionMatch=x",
     422,
     "Invalid"},
    {"match_of_a_watch", "GET", "/api/v1/nodes?watch=1&resourceVersionMatch=Exact", 422, "Invalid"},
    {"initial_events_of_a_list", "GET", "/api/v1/nodes?sendInitialEvents=true", 422, "Invalid"},
    {"broken_timeout", "GET", "/api/v1/nodes?timeoutSeconds=soon", 400, "BadRequest"},
    {"broken_grace", "DELETE", "/api/v1/nodes/n?gracePeriodSeconds=soon", 400, "BadRequest"},
    {"unknown_policy", "DELETE", "/api/v1/nodes/n?propagationPolicy=x", 422, "Invalid"},
    {"unknown_path", "GET", "/nope", 404, "NotFound"},
    {"unknown_resource", "GET", "/api/v1/unicorns", 404, "NotFound"},
    {"unknown_group", "GET", "/apis/nope/v1/pods", 404, "NotFound"},
    {"unknown_group_document", "GET", "/apis/nope", 404, "NotFound"},
    {"unknown_subresource", "GET", "/api/v1/namespaces/a/configmaps/c/status", 404, "NotFound"},
    {"cluster_kind_in_a_namespace", "GET", "/api/v1/namespaces/a/nodes", 404, "NotFound"},
    {"namespaced_object_without_namespace", "GET", "/api/v1/pods/web", 404, "NotFound"},
    {"create_without_namespace", "POST", "/api/v1/pods", 405, "MethodNotAllowed"},
    {"post_to_an_object", "POST", "/api/v1/nodes/n1", 405, "MethodNotAllowed"},
    {"list_of_reviews",
     "GET",
     "/apis/authorization.k8s.io/v1/subjectaccessreviews",
     405,
     "MethodNotAllowed"},
    {"get_of_a_binding", "GET", "/api/v1/namespaces/a/pods/web/binding", 405, "MethodNotAllowed"},
    {"post_to_status", "POST", "/api/v1/namespaces/a/pods/web/status", 405, "MethodNotAllowed"},
    {"put_to_version", "PUT", "/version", 405, "MethodNotAllowed"},
    {"broken_escape", "GET", "/api/v1/nodes/%4", 400, "BadRequest"},
    {"broken_limit", "GET", "/api/v1/nodes?limit=x", 400, "BadRequest"},
    {"broken_dry_run", "POST", "/api/v1/nodes?dryRun=x", 422, "Invalid"},
};

class RefusalTest : public ApiTest, public testing::WithParamInterface<RefusalRow> {};

TEST_P(RefusalTest, IsAStatusWithTheRightReason) {
  const auto& row = GetParam();

  const auto& answer = send(std::string(row.method), std::string(row.path), "");

  EXPECT_EQ(answer.status, row.status) << answer.body;
  EXPECT_EQ(answer.json()->root()["reason"].string(), row.reason);
  EXPECT_EQ(answer.json()->root()["code"].integer(), row.status);
  EXPECT_EQ(registry_.asked_verb, "");
}

INSTANTIATE_TEST_SUITE_P(Table, RefusalTest, testing::ValuesIn(kRefusals), [](const auto& row) {
  return std::string(row.param.name);
});

TEST_F(ApiTest, NothingThatTheClientTakesIs406) {
  EXPECT_EQ(get("/api/v1/nodes", "text/html").status, 406);
  EXPECT_EQ(exchange_->json()->root()["reason"].string(), "NotAcceptable");
}

TEST_F(ApiTest, AReviewAsATableIs406) {
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  auto question = request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
  question.headers.add("Accept", table);

  EXPECT_EQ(call(std::move(question)).status, 406);
}

TEST_F(ApiTest, AnUnknownTokenIs401) {
  auto question = request("GET", "/api/v1/nodes");
  question.headers = {};
  question.headers.add("Authorization", "Bearer forged");

  const auto& answer = call(std::move(question));

  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.json()->root()["message"].string(), "Unauthorized");
  EXPECT_EQ(answer.json()->root()["reason"].string(), "Unauthorized");
}

TEST_F(ApiTest, AWrongTokenIs401EvenWhereNoneIsNeeded) {
  for (const auto* path : {"/version", "/healthz", "/nope", "/api/v1/pods"}) {
    auto request = ApiTest::request("GET", path);
    request.headers = {};
    request.headers.add("Authorization", "Bearer wrong");
    EXPECT_EQ(call(std::move(request)).status, 401) << path;
  }
}

TEST_F(ApiTest, ExtraFieldsAreNotImpersonated) {
  auto request = ApiTest::request("GET", "/api/v1/nodes");
  request.headers.add("Impersonate-User", "ann");
  request.headers.add("impersonate-extra-scopes", "few");

  EXPECT_EQ(call(std::move(request)).status, 501);
  EXPECT_EQ(registry_.asked_verb, "");
}

TEST_F(ApiTest, AnonymousIsAnIdentityToo) {
  auto question = request("GET", "/api/v1/nodes");
  question.headers = {};

  call(std::move(question));

  EXPECT_EQ(registry_.asked.identity.user, "system:anonymous");
  EXPECT_TRUE(registry_.asked.identity.is_in("system:unauthenticated"));
}

TEST_F(ApiTest, PathsThatAreNoResourceAreAuthorized) {
  registry_.refusal =
      Error{Code::forbidden, "forbidden: User \"system:anonymous\" cannot get path \"/apis\""};

  EXPECT_EQ(get("/apis").status, 403);
  EXPECT_EQ(registry_.authorized.path, "/apis");
  EXPECT_EQ(get("/metrics").status, 403);
  EXPECT_EQ(get("/nope").status, 403);
  EXPECT_EQ(get("/version").status, 200);
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ApiTest, HealthNamesWhatFails) {
  EXPECT_EQ(get("/readyz").body, "ok");
  EXPECT_EQ(get("/readyz?verbose").body, "[+]ping ok\n[+]store ok\nreadyz check passed\n");

  is_ready_ = false;

  EXPECT_EQ(get("/livez").status, 500);
  EXPECT_EQ(exchange_->body, "[+]ping ok\n[-]store failed: reason withheld\nlivez check failed\n");
  EXPECT_EQ(get("/livez?exclude=store").status, 200);
  EXPECT_EQ(get("/livez/ping").status, 200);
  EXPECT_EQ(get("/livez/nope").status, 404);
}

TEST_F(ApiTest, RequestsAreCounted) {
  get("/api/v1/nodes");
  get("/api/v1/unicorns");

  const auto& answer = get("/metrics");

  EXPECT_THAT(answer.body,
              HasSubstr(R"(apiserver_request_total{verb="list",resource="nodes",code="200"} 1)"));
  EXPECT_THAT(answer.body,
              HasSubstr(R"(apiserver_request_total{verb="other",resource="",code="404"} 1)"));
  EXPECT_THAT(answer.body, HasSubstr("apiserver_request_duration_seconds"));
}

TEST_F(ApiTest, TheServersOwnErrorsAreStatusesToo) {
  const auto error = api_->error_body(413, "the body is too large");

  EXPECT_THAT(error.body, HasSubstr(R"("reason":"RequestEntityTooLarge")"));
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
