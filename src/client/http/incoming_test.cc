// SPDX-License-Identifier: Apache-2.0
#include "client/http/incoming.h"

#include <gtest/gtest.h>

#include "client/http/outgoing.h"
#include "client/http/paths.h"

namespace tetrarch::client {
namespace {

struct ReasonRow {
  std::string name;
  std::string reason;
  int status;
  Code code;
};

void PrintTo(const ReasonRow& row, std::ostream* out) {
  *out << row.name;
}

class ReasonTest : public ::testing::TestWithParam<ReasonRow> {};

TEST_P(ReasonTest, StandsForACode) {
  EXPECT_EQ(code_of(GetParam().reason, GetParam().status), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    ReasonTest,
    ::testing::Values(ReasonRow{"bad_request", "BadRequest", 400, Code::malformed},
                      ReasonRow{"unauthorized", "Unauthorized", 401, Code::unauthenticated},
                      ReasonRow{"forbidden", "Forbidden", 403, Code::forbidden},
                      ReasonRow{"not_found", "NotFound", 404, Code::not_found},
                      ReasonRow{"already_exists", "AlreadyExists", 409, Code::already_exists},
                      ReasonRow{"conflict", "Conflict", 409, Code::conflict},
                      ReasonRow{"gone", "Gone", 410, Code::expired},
                      ReasonRow{"expired", "Expired", 410, Code::expired},
                      ReasonRow{"invalid", "Invalid", 422, Code::invalid},
                      ReasonRow{"too_many", "TooManyRequests", 429, Code::exhausted},
                      ReasonRow{"too_large", "RequestEntityTooLarge", 413, Code::too_large},
                      ReasonRow{"method", "MethodNotAllowed", 405, Code::unsupported},
                      ReasonRow{"media_type", "UnsupportedMediaType", 415, Code::unsupported},
                      ReasonRow{"not_acceptable", "NotAcceptable", 406, Code::unsupported},
                      ReasonRow{"internal", "InternalError", 500, Code::internal},
                      ReasonRow{"not_implemented", "NotImplemented", 501, Code::unimplemented},
                      ReasonRow{"unavailable", "ServiceUnavailable", 503, Code::unavailable},
                      ReasonRow{"timeout", "Timeout", 504, Code::timeout},
                      ReasonRow{"server_timeout", "ServerTimeout", 500, Code::timeout},
                      ReasonRow{"only_a_status", "", 503, Code::unavailable},
                      ReasonRow{"precondition_by_status", "", 412, Code::precondition},
                      ReasonRow{"unknown_reason", "Weather", 409, Code::conflict},
                      ReasonRow{"unknown_altogether", "Weather", 418, Code::internal}),
    [](const auto& row) { return row.param.name; });

TEST(Failure, CarriesMessageFieldsAndRetry) {
  const auto error =
      parse_failure(422, R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"no",
    "reason":"Invalid","details":{"retryAfterSeconds":3,"causes":[
    {"reason":"FieldValueRequired","message":"Required value","field":"spec.x"}]},"code":422})");

  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_EQ(error.message, "no");
  EXPECT_EQ(error.retry_after_s, 3);
  EXPECT_THAT(error.fields,
              ::testing::ElementsAre(FieldError{"FieldValueRequired", "Required value", "spec.x"}));
}

TEST(Failure, QuotesABodyThatIsNoStatus) {
  const auto error = parse_failure(502, "<html>bad gateway</html>");

  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_EQ(error.message, "the server answered 502: <html>bad gateway</html>");
}

struct ObjectRow {
  std::string name;
  std::string json;
  std::string kept;
};

void PrintTo(const ObjectRow& row, std::ostream* out) {
  *out << row.name;
}

class ObjectTest : public ::testing::TestWithParam<ObjectRow> {};

TEST_P(ObjectTest, IsKeptWithoutItsResourceVersion) {
  const auto document = object::Document::parse(GetParam().json);
  ASSERT_TRUE(document.ok());

  const auto stored = parse_object("pods", (*document)->root(), "Pod", "v1");

  ASSERT_TRUE(stored.ok()) << stored.error().message;
  EXPECT_EQ(stored->document->bytes(), GetParam().kept);
  EXPECT_EQ(stored->revision.number, 7U);
  EXPECT_EQ(stored->key, (Key{"pods", "n", "p"}));
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    ObjectTest,
    ::testing::Values(
        ObjectRow{"first",
                  R"({"kind":"Pod","apiVersion":"v1",)"
                  R"("metadata":{"resourceVersion":"7","name":"p","namespace":"n"}})",
                  R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"n"}})"},
        ObjectRow{"in_the_middle",
                  R"({"kind":"Pod", "metadata": {"name": "p", "resourceVersion": "7", )"
                  R"("namespace": "n"}, "a": [1]})",
                  R"({"kind":"Pod","metadata":{"name":"p","namespace":"n"},"a":[1]})"},
        ObjectRow{"last",
                  R"({"kind":"Pod","metadata":{"name":"p","namespace":"n","resourceVersion":"7"}})",
                  R"({"kind":"Pod","metadata":{"name":"p","namespace":"n"}})"},
        ObjectRow{"without_a_kind",
                  R"({"metadata":{"name":"p","namespace":"n","resourceVersion":"7"}})",
                  R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"n"}})"}),
    [](const auto& row) { return row.param.name; });

TEST(List, HasItsItemsAndItsPlace) {
  const auto page = parse_list("pods", R"({"kind":"PodList","apiVersion":"v1",
    "metadata":{"resourceVersion":"42","continue":"tok","remainingItemCount":5},
    "items":[{"metadata":{"name":"a","namespace":"n","resourceVersion":"3"}},
             {"metadata":{"name":"b","namespace":"n","resourceVersion":"9"}}]})");

  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->revision.number, 42U);
  EXPECT_EQ(page->continue_token, "tok");
  EXPECT_EQ(page->remaining, 5U);
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[1].key.name, "b");
  EXPECT_EQ(page->items[1].revision.number, 9U);
  EXPECT_EQ(page->items[1].document->bytes(),
            R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"b","namespace":"n"}})");
}

TEST(List, RefusesWhatIsNone) {
  EXPECT_FALSE(parse_list("pods", R"({"kind":"Pod","metadata":{}})").ok());
  EXPECT_FALSE(parse_list("pods", "[]").ok());
  EXPECT_FALSE(parse_list("pods", "{").ok());
}

TEST(Event, IsReadByItsType) {
  const auto line = [](std::string type) {
    return R"({"type":")" + type +
           R"(","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p",)" +
           R"("namespace":"n","resourceVersion":"7"}}})";
  };

  EXPECT_EQ(parse_event("pods", nullptr, line("ADDED"))->type, EventType::added);
  EXPECT_EQ(parse_event("pods", nullptr, line("MODIFIED"))->type, EventType::modified);
  EXPECT_EQ(parse_event("pods", nullptr, line("DELETED"))->type, EventType::deleted);
  const auto bookmark = parse_event("pods", nullptr, line("BOOKMARK"));
  EXPECT_EQ(bookmark->type, EventType::bookmark);
  EXPECT_EQ(bookmark->object.revision.number, 7U);
  EXPECT_EQ(parse_event("pods", nullptr, line("WEATHER")).error().code, Code::unavailable);
  EXPECT_EQ(parse_event("pods", nullptr, "no json").error().code, Code::unavailable);
}

TEST(Event, ErrorsBecomeErrors) {
  const auto event =
      parse_event("pods", nullptr, R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1",
    "metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}})");

  EXPECT_EQ(event.error(), (Error{Code::expired, "too old"}));
}

struct PatchRow {
  std::string name;
  PatchType type;
  std::string body;
  std::string sent;
};

void PrintTo(const PatchRow& row, std::ostream* out) {
  *out << row.name;
}

class PatchTest : public ::testing::TestWithParam<PatchRow> {};

TEST_P(PatchTest, CarriesItsPreconditions) {
  WriteOptions options;
  options.expected = {7};
  options.expected_uid = "u";

  EXPECT_EQ(*patch_body(GetParam().type, GetParam().body, options), GetParam().sent);
  EXPECT_EQ(*patch_body(GetParam().type, GetParam().body, {}), GetParam().body);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    PatchTest,
    ::testing::Values(PatchRow{"merge",
                               PatchType::merge,
                               R"({"spec":{"a":1}})",
                               R"({"spec":{"a":1},"metadata":{"uid":"u","resourceVersion":"7"}})"},
                      PatchRow{
                          "strategic",
                          PatchType::strategic,
                          R"({"metadata":{"labels":{"a":"b"}}})",
                          R"({"metadata":{"labels":{"a":"b"},"uid":"u","resourceVersion":"7"}})"},
                      PatchRow{"json",
                               PatchType::json,
                               R"([{"op":"remove","path":"/spec/x"}])",
                               R"([{"op":"test","path":"/metadata/uid","value":"u"},)"
                               R"({"op":"replace","path":"/metadata/resourceVersion","value":"7"},)"
                               R"({"op":"remove","path":"/spec/x"}])"}),
    [](const auto& row) { return row.param.name; });

TEST(DeleteBody, SaysOnlyWhatIsSet) {
  EXPECT_EQ(delete_body({}), R"({"kind":"DeleteOptions","apiVersion":"v1"})");
  DeleteOptions options;
  options.grace_seconds = 0;
  options.expected_uid = "u";
  options.expected = {3};
  options.propagation = Propagation::foreground;
  options.is_dry_run = true;
  EXPECT_EQ(delete_body(options),
            R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,)"
            R"("preconditions":{"uid":"u","resourceVersion":"3"},)"
            R"("propagationPolicy":"Foreground","dryRun":["All"]})");
}

}  // namespace
}  // namespace tetrarch::client
