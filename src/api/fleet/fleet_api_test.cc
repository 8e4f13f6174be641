// SPDX-License-Identifier: Apache-2.0
// The API as fleetctl meets it: what it sends, in its order, and each refusal in fleet's words.
#include <fmt/format.h>

#include "api/fleet/fleet_fixture.h"
#include "api/fleet/page_token.h"

namespace tetrarch::api::fleet {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string hello(const std::string& more = "") {
  return std::string("{") + kHelloOptions + more + "}";
}

std::string error_of(int code, const std::string& message) {
  return R"({"error":{"code":)" + std::to_string(code) + R"(,"message":")" + message + "\"}}";
}

struct RefusalRow {
  std::string method;
  std::string target;
  std::string body;
  int status;
  std::string message;  ///< as JSON text
};

TEST_F(FleetFixture, RefusesInFleetsWords) {
  put("known.service", hello());
  put("t@.service", hello());
  const std::vector<RefusalRow> rows = {
      {"GET", "/", "", 405, ""},
      {"GET", "/fleet/v1", "", 405, ""},
      {"GET", "/fleet/v1/", "", 404, ""},
      {"GET", "/fleet/v1/units/", "", 404, ""},
      {"GET", "/else", "", 404, ""},
      {"POST", "/fleet/v1/discovery", "", 400, "only HTTP GET supported against this resource"},
      {"HEAD", "/fleet/v1/units", "", 405, "only GET supported against this resource"},
      {"POST",
       "/fleet/v1/units/a.service",
       "",
       405,
       "only GET, PUT and DELETE supported against this resource"},
      {"PUT", "/fleet/v1/machines", "", 405, "only GET and PATCH supported against this resource"},
      {"GET", "/v1-alpha/units/none.service", "", 404, "unit does not exist"},
      {"DELETE", "/fleet/v1/units/none.service", "", 404, "unit does not exist"},
      {"GET", "/fleet/v1/state/none.service", "", 404, "unit does not exist"},
      {"GET",
       "/fleet/v1/units?nextPageToken=ZAACAA%3D%3D&nextPageToken=x",
       "",
       400,
       "too many values for page token"},
      {"GET", "/fleet/v1/state?nextPageToken=ZQACAA%3D%3D", "", 400, "token limit must be 100"},
      {"GET",
       "/fleet/v1/machines?nextPageToken=ZAAAAA%3D%3D",
       "",
       400,
       "token page must be greater than zero"},
      {"PUT", "/fleet/v1/units/a.service", "", 415, "expected 1 Content-Type, got 0"},
      {"PUT",
       "/fleet/v1/units/a.service",
       R"({"name":"b.service"})",
       400,
       R"(name in URL \"a.service\" differs from unit name in request body \"b.service\")"},
      {"PUT", "/fleet/v1/units/a.foo", hello(), 400, R"(invalid unit type: \"foo\")"},
      {"PUT",
       "/fleet/v1/units/a.service",
       R"({"desiredState":"launched"})",
       409,
       "unit does not exist and options field empty"},
      {"PUT",
       "/fleet/v1/units/known.service",
       hello(),
       409,
       "must provide DesiredState to update existing unit"},
      {"PUT",
       "/fleet/v1/units/t%40.service",
       R"({"desiredState":"launched"})",
       400,
       R"(cannot activate template \"t@.service\")"},
      {"PUT",
       "/fleet/v1/units/a.service",
       hello(R"(,"desiredState":"running")"),
       400,
       R"(invalid desiredState \"running\": expect inactive, loaded or launched)"},
      {"PUT",
       "/fleet/v1/units/a.service",
       R"({"options":[{"section":"X-Fleet","name":"MachineID","value":"m"},)"
       R"({"section":"X-Fleet","name":"Global","value":"true"}]})",
       400,
       "MachineID cannot be used with Global"},
      {"PATCH",
       "/fleet/v1/machines",
       R"([{"op":"move","path":"/m/metadata/k","value":"v"}])",
       400,
       "invalid op: expect add, remove, or replace"},
      {"PATCH",
       "/fleet/v1/machines",
       R"([{"op":"add","path":"/m/else/k","value":"v"}])",
       400,
       "machine metadata path invalid"},
      {"PATCH",
       "/fleet/v1/machines",
       R"([{"op":"remove","path":"/m/metadata/a b"}])",
       400,
       "machine metadata path invalid"},
      {"PATCH",
       "/fleet/v1/machines",
       R"([{"op":"add","path":"/m/metadata/k"}])",
       400,
       "invalid value: add and replace require a value"},
  };
  const auto before = client_.objects.size();
  for (const auto& row : rows) {
    const auto reply = ask(row.method, row.target, row.body);
    EXPECT_EQ(reply.status, row.status) << row.method << " " << row.target << row.body;
    EXPECT_EQ(reply.body, error_of(row.status, row.message)) << row.target;
  }
  EXPECT_EQ(client_.objects.size(), before);
  content_type_ = "text/plain";
  EXPECT_EQ(put("a.service", hello()).body,
            error_of(415, "only acceptable Content-Type is application/json"));
  EXPECT_THAT(ask("GET", "/fleet/v1/units?nextPageToken=!").body, HasSubstr("unable to decode"));
}

TEST_F(FleetFixture, SubmitLoadStart) {
  EXPECT_EQ(ask("GET", "/fleet/v1/units/hello.service?alt=json").status, 404);
  const auto submitted = put("hello.service", hello(R"(,"name":"hello.service")"));
  EXPECT_EQ(submitted.status, 201);
  EXPECT_EQ(submitted.body, "");
  EXPECT_EQ(ask("GET", "/fleet/v1/units/hello.service").body,
            R"({"currentState":"inactive","desiredState":"inactive","name":"hello.service",)"
            R"("options":[{"name":"ExecStart","section":"Service","value":"/bin/sleep 9"}]})");
  EXPECT_EQ(put("hello.service", R"({"desiredState":"loaded","name":"hello.service"})").status,
            204);
  tell("hello.service", R"({"currentState":"loaded","machineID":"m1"})");
  EXPECT_EQ(current("hello.service"), "loaded");
  EXPECT_EQ(put("hello.service", R"({"desiredState":"launched"})").status, 204);
  tell("hello.service", R"({"currentState":"launched","machineID":"m1"})");
  EXPECT_THAT(ask("GET", "/fleet/v1/units/hello.service").body, HasSubstr(R"("machineID":"m1")"));
  EXPECT_EQ(ask("DELETE", "/fleet/v1/units/hello.service").status, 204);
  EXPECT_EQ(ask("GET", "/fleet/v1/units").body, "{}");
}

TEST_F(FleetFixture, ReplaceTakesTheStateBack) {
  put("a.service", hello(R"(,"desiredState":"launched")"));
  EXPECT_EQ(put("a.service", R"({"options":[{"section":"S","name":"n","value":"v"}]})").status,
            201);
  const auto body = ask("GET", "/fleet/v1/units/a.service").body;
  EXPECT_THAT(body, HasSubstr(R"("desiredState":"inactive")"));
  EXPECT_THAT(body, HasSubstr(R"("section":"S")"));
  EXPECT_EQ(put("a.service", R"({"desiredState":"wrong"})").status, 400);
}

TEST_F(FleetFixture, RestartIsSeenAndDone) {
  put("a.service", hello(R"(,"desiredState":"launched")"));
  tell("a.service", R"({"currentState":"launched"})");
  put("a.service", R"({"desiredState":"loaded"})");
  tell("a.service", R"({"currentState":"loaded"})");
  EXPECT_EQ(current("a.service"), "launched") << "fleetctl waits for it";
  put("a.service", R"({"desiredState":"launched"})");
  const Key key{kUnits, "fleet", "a.service"};
  EXPECT_EQ(client_.objects.at(key).root()["spec"]["restarts"].integer(), 1);
  tell("a.service", R"({"currentState":"launched","restarts":0})");
  EXPECT_EQ(current("a.service"), "loaded") << "not before the new start";
  tell("a.service", R"({"currentState":"launched","restarts":1})");
  EXPECT_EQ(current("a.service"), "launched");
}

TEST_F(FleetFixture, StopShowsAfterAMoment) {
  put("a.service", hello(R"(,"desiredState":"launched")"));
  tell("a.service", R"({"currentState":"launched"})");
  put("a.service", R"({"desiredState":"loaded"})");
  tell("a.service", R"({"currentState":"loaded"})");
  clock_.advance(std::chrono::milliseconds(699));
  EXPECT_EQ(current("a.service"), "launched");
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(current("a.service"), "loaded");
}

TEST_F(FleetFixture, GlobalUnitsHaveNoPlace) {
  put("g.service", R"({"options":[{"section":"X-Fleet","name":"Global","value":"true"}]})");
  tell("g.service", R"({"currentState":"launched","machineID":"m1"})");
  const auto body = ask("GET", "/fleet/v1/units/g.service").body;
  EXPECT_THAT(body, testing::Not(HasSubstr("currentState")));
  EXPECT_THAT(body, testing::Not(HasSubstr("machineID")));
}

std::string node(const std::string& id) {
  return R"({"metadata":{"labels":{"fleet.tetrarch.dev/systemd":"true"}},"status":{"nodeInfo":)"
         R"({"machineID":")" +
         id + R"("},"conditions":[{"type":"Ready","status":"True"}]}})";
}

TEST_F(FleetFixture, StatesAreListedAndNeverMissing) {
  put("a.service", hello());
  EXPECT_EQ(ask("GET", "/fleet/v1/state/a.service").body,
            R"({"name":"a.service","systemdActiveState":"inactive",)"
            R"("systemdLoadState":"not-found","systemdSubState":"dead"})");
  const auto state = [](const std::string& unit, const std::string& machine) {
    return R"({"unit":")" + unit + R"(","machineID":")" + machine +
           R"(","hash":"h","loadState":"loaded","activeState":"active","subState":"running"})";
  };
  client_.put({"nodes", "", "n1"}, node("m1"));
  client_.put({"nodes", "", "n2"}, node("m2"));
  client_.put({kUnitStates, "fleet", "0"}, state("a.service", "lost"));
  client_.put({kUnitStates, "fleet", "1"}, state("b.service", "m1"));
  client_.put({kUnitStates, "fleet", "2"}, state("a.service", "m2"));
  client_.put({kUnitStates, "fleet", "3"}, state("a.service", "m1"));
  const std::string first =
      R"({"hash":"h","machineID":"m1","name":"a.service","systemdActiveState":"active",)"
      R"("systemdLoadState":"loaded","systemdSubState":"running"})";
  EXPECT_THAT(ask("GET", "/fleet/v1/state").body, testing::StartsWith(R"({"states":[)" + first));
  EXPECT_EQ(ask("GET", "/fleet/v1/state?unitName=a.service&machineID=m1").body,
            R"({"states":[)" + first + "]}");
  EXPECT_THAT(ask("GET", "/fleet/v1/state").body, testing::Not(HasSubstr("lost")))
      << "its machine is not there";
  tell("a.service",
       R"({"hash":"h","machineID":"m1","loadState":"loaded","activeState":"active",)"
       R"("subState":"running"})");
  EXPECT_EQ(ask("GET", "/fleet/v1/state/a.service").body, first);
}

TEST_F(FleetFixture, ListsComeInPages) {
  for (int i = 0; i < 250; ++i) {
    put(std::to_string(1000 + i) + ".service", hello());
  }
  EXPECT_THAT(ask("GET", "/fleet/v1/units").body,
              testing::StartsWith(R"({"nextPageToken":"ZAACAA==","units":[)"));
  const auto last = ask("GET", "/fleet/v1/units?nextPageToken=ZAADAA%3D%3D").body;
  EXPECT_THAT(last, testing::StartsWith(R"({"units":[)"));
  EXPECT_THAT(last, HasSubstr("1249.service"));
  EXPECT_EQ(ask("GET", "/fleet/v1/units?nextPageToken=ZAAJAA%3D%3D").body, "{}");
}

TEST_F(FleetFixture, StatesComeInPagesInTheOrderOfTheirUnits) {
  client_.put(
      {"nodes", "", "n1"},
      R"({"metadata":{"labels":{"fleet.tetrarch.dev/systemd":"true"}},"status":{"nodeInfo":)"
      R"({"machineID":"m1"},"conditions":[{"type":"Ready","status":"True"}]}})");
  for (int i = 0; i < 250; ++i) {  // in another order than their keys
    client_.put({kUnitStates, "fleet", std::to_string(2000 - i)},
                fmt::format(R"({{"machineID":"m1","unit":"{}.service"}})", 1000 + i));
  }
  std::string listed;
  for (const auto* token : {"", "?nextPageToken=ZAACAA%3D%3D", "?nextPageToken=ZAADAA%3D%3D"}) {
    listed += ask("GET", fmt::format("/fleet/v1/state{}", token)).body;
  }
  std::size_t at = 0;
  for (int i = 0; i < 250; ++i) {
    at = listed.find(fmt::format(R"("name":"{}.service")", 1000 + i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(FleetFixture, PagesOfOneListAreOfOneMoment) {
  const auto fill = [&](int begin) {
    for (int i = begin; i < begin + 250; ++i) {
      put(std::to_string(i) + ".service", hello());
    }
  };
  const auto page = [&](const std::string& token) {
    return ask("GET", "/fleet/v1/units?nextPageToken=" + token).body;
  };
  fill(2000);
  EXPECT_THAT(page(""), HasSubstr(R"("2099.service")"));
  const int lists = client_.lists;
  fill(1000);
  EXPECT_THAT(page("ZAACAA%3D%3D"), HasSubstr(R"("2100.service")"));
  EXPECT_EQ(client_.lists, lists) << "nothing is looked through for a further page";
  EXPECT_THAT(page(""), HasSubstr(R"("1000.service")")) << "a first page is always new";
  EXPECT_THAT(page("ZAACAA%3D%3D"), HasSubstr(R"("1100.service")"));
  fill(3000);
  clock_.advance(std::chrono::seconds(11));
  EXPECT_THAT(page("ZAAFAA%3D%3D"), HasSubstr("nextPageToken")) << "one that is old is new";
  EXPECT_THAT(page("ZAAIAA%3D%3D"), HasSubstr(R"("3249.service")"));
  fill(4000);
  EXPECT_THAT(page("ZAAIAA%3D%3D"), HasSubstr(R"("4000.service")")) << "the last page was shown";
}

TEST_F(FleetFixture, ListsThatNobodyReadsOnAreFreed) {
  KeptList list(clock_);
  const std::weak_ptr<const std::vector<Stored>> kept = list.keep("", {});

  list.drop_old();
  EXPECT_FALSE(kept.expired()) << "its next page may be asked for";
  clock_.advance(KeptList::kLongest + std::chrono::seconds(1));
  list.drop_old();

  EXPECT_TRUE(kept.expired());
}

TEST_F(FleetFixture, PagesOfStatesKnowWhatWasAskedFor) {
  for (const auto* id : {"m1", "m2"}) {
    client_.put(
        {"nodes", "", id},
        fmt::format(
            R"({{"metadata":{{"labels":{{"fleet.tetrarch.dev/systemd":"true"}}}},"status":{{)"
            R"("nodeInfo":{{"machineID":"{}"}},"conditions":[{{"type":"Ready","status":"True"}}]}}}})",
            id));
    for (int i = 0; i < 150; ++i) {
      client_.put({kUnitStates, "fleet", fmt::format("{}-{}", id, i)},
                  fmt::format(R"({{"machineID":"{}","unit":"{}.service"}})", id, 1000 + i));
    }
  }
  const auto page = [&](const std::string& query) {
    return ask("GET", "/fleet/v1/state?" + query).body;
  };
  EXPECT_THAT(page("machineID=m1"), HasSubstr(R"("1099.service")"));
  const auto all = page("nextPageToken=ZAACAA%3D%3D");
  EXPECT_THAT(all, HasSubstr(R"("m2")")) << "the second page of another list";
  const auto second = page("machineID=m1&nextPageToken=ZAACAA%3D%3D");
  EXPECT_THAT(second, HasSubstr(R"("1149.service")"));
  EXPECT_THAT(second, Not(HasSubstr(R"("m2")")));
}

TEST(PageTokens, CountFurtherThanSixteenBits) {
  const auto page = page_of(*read_page_token(PageToken{100, 700}.text()), 70'000);
  EXPECT_EQ(page.begin, 69'900U);
  EXPECT_EQ(page.end, 70'000U);
  EXPECT_NE(page.next, "") << "just full";
  EXPECT_EQ(page_of({}, 99).next, "");
}

constexpr const char* kNode =
    R"({"metadata":{"labels":{"fleet.tetrarch.dev/systemd":"true"},"annotations":)"
    R"({"fleet.tetrarch.dev/metadata":" role = web , bare, x=1,x=2"}},"status":{"nodeInfo":)"
    R"({"machineID":"m1"},"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],)"
    R"("conditions":[{"type":"Ready","status":"True"}]}})";

TEST_F(FleetFixture, MachinesHaveMetadataThatCanBeChanged) {
  client_.put({"nodes", "", "n1"}, kNode);
  client_.put({"nodes", "", "n2"}, R"({"status":{"nodeInfo":{"machineID":"m2"}}})");
  EXPECT_EQ(
      ask("GET", "/fleet/v1/machines").body,
      R"({"machines":[{"id":"m1","metadata":{"role":"web","x":"2"},"primaryIP":"10.0.0.1"}]})");
  const auto changed = ask("PATCH",
                           "/fleet/v1/machines",
                           R"([{"op":"remove","path":"/m1/metadata/x"},)"
                           R"({"op":"add","path":"/m1/metadata/disk","value":{"value":"ssd"}},)"
                           R"({"op":"replace","path":"/m1/metadata/role","value":"db"}])");
  EXPECT_EQ(changed.status, 204);
  EXPECT_EQ(ask("GET", "/fleet/v1/machines").body,
            R"({"machines":[{"id":"m1","metadata":{"disk":"ssd","role":"db"},)"
            R"("primaryIP":"10.0.0.1"}]})");
}

TEST_F(FleetFixture, AnAwayServerIsA503) {
  client_.failure = Error{Code::unavailable, "gone"};
  for (const auto* target : {"/fleet/v1/units",
                             "/fleet/v1/machines",
                             "/fleet/v1/state",
                             "/fleet/v1/units/a.service",
                             "/fleet/v1/state/a.service"}) {
    const auto reply = ask("GET", target);
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.body, error_of(503, "fleet server unable to communicate with etcd"));
  }
  const auto error = error_of(503, "fleet server unable to communicate with etcd");
  EXPECT_EQ(put("a.service", hello()).body, error);
  EXPECT_EQ(ask("DELETE", "/fleet/v1/units/a.service").body, error);
  EXPECT_EQ(ask("PATCH", "/fleet/v1/machines", R"([{"op":"remove","path":"/m/metadata/k"}])").body,
            error);
}

TEST_F(FleetFixture, CountsWhatItIsAsked) {
  ask("GET", "/fleet/v1/units");
  client_.failure = Error{Code::unavailable, "gone"};
  ask("GET", "/fleet/v1/units");
  const auto text = ask("GET", "/metrics").body;
  EXPECT_THAT(text, HasSubstr("fleet_registry_operation_count_total 2\n"));
  EXPECT_THAT(text, HasSubstr("fleet_registry_operation_failed_count_total 1\n"));
  EXPECT_THAT(text, HasSubstr("fleet_registry_operation_duration_second_count 2\n"));
}

TEST_F(FleetFixture, DescribesItself) {
  const auto parsed = Document::parse(ask("GET", "/fleet/v1/discovery").body);
  ASSERT_TRUE(parsed.ok());
  const auto root = (*parsed)->root();
  EXPECT_EQ(root["kind"].string(), "discovery#restDescription");
  EXPECT_EQ(root["id"].string(), "fleet:v1");
  for (const auto* name :
       {"Machine", "MachinePage", "Unit", "UnitOption", "UnitPage", "UnitState", "UnitStatePage"}) {
    EXPECT_EQ(root["schemas"][name]["id"].string(), name);
  }
  EXPECT_EQ(root["resources"]["Units"]["methods"]["Set"]["id"].string(), "fleet.Unit.Set");
  EXPECT_EQ(root["schemas"]["Unit"]["properties"]["options"]["items"]["$ref"].string(),
            "UnitOption");
  EXPECT_EQ(root["schemas"]["Unit"]["properties"]["desiredState"]["enum"].size(), 3U);
}

}  // namespace
}  // namespace tetrarch::api::fleet
