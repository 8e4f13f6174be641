// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/errors.h"

#include <algorithm>
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

struct CodeRow {
  Code code;
  int status;
  std::string_view reason;
};

// Source: Kubernetes API conventions, "HTTP Status codes".
constexpr auto kCodes = std::to_array<CodeRow>({
    {Code::invalid, 422, "Invalid"},
    {Code::malformed, 400, "BadRequest"},
    {Code::not_found, 404, "NotFound"},
    {Code::already_exists, 409, "AlreadyExists"},
    {Code::conflict, 409, "Conflict"},
    {Code::precondition, 409, "Conflict"},
    {Code::unauthenticated, 401, "Unauthorized"},
    {Code::forbidden, 403, "Forbidden"},
    {Code::exhausted, 429, "TooManyRequests"},
    {Code::too_large, 413, "RequestEntityTooLarge"},
    {Code::expired, 410, "Expired"},
    {Code::unsupported, 405, "MethodNotAllowed"},
    {Code::unavailable, 503, "ServiceUnavailable"},
    {Code::timeout, 504, "Timeout"},
    {Code::cancelled, 504, "Timeout"},
    {Code::unimplemented, 501, "NotImplemented"},
    {Code::internal, 500, "InternalError"},
});

class CodeTest : public testing::TestWithParam<CodeRow> {};

TEST_P(CodeTest, HasItsHttpCodeAndReason) {
  const auto found = http_error(GetParam().code);

  EXPECT_EQ(found.status, GetParam().status);
  EXPECT_EQ(found.reason, GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(Table, CodeTest, testing::ValuesIn(kCodes), [](const auto& row) {
  std::string name(to_string(row.param.code));
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

const Subject kDeployment{"apps", "Deployment", "deployments", "web", ""};

TEST(FailureStatus, NamesOneFieldInline) {
  const Error error(Code::invalid,
                    "invalid",
                    {{"FieldValueInvalid",
                      "Invalid value: -1: must be greater than or equal to 0",
                      "spec.replicas"}});

  EXPECT_EQ(
      failure_json(error, kDeployment),
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)"
      R"("Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater )"
      R"(than or equal to 0",)"
      R"("reason":"Invalid","details":{"name":"web","group":"apps","kind":"Deployment","causes":[)"
      R"({"reason":"FieldValueInvalid","message":"Invalid value: -1: must be greater than or )"
      R"(equal to 0",)"
      R"("field":"spec.replicas"}]},"code":422})");
}

TEST(FailureStatus, NamesNoObjectWhereOnlyTheMessageSaysWhy) {
  // kubectl would print the name in the message's place.
  EXPECT_THAT(failure_json(Error(Code::invalid, "the server rejected our request"), kDeployment),
              testing::HasSubstr(R"("reason":"Invalid","details":{},"code":422)"));
}

TEST(FailureStatus, IsUtf8WhateverTheClientSent) {
  EXPECT_THAT(failure_json(Error(Code::malformed, "no selector: \xFF"), Subject{}),
              testing::HasSubstr("\"message\":\"no selector: \uFFFD\""));
}

TEST(FailureStatus, ListsSeveralFieldsInBrackets) {
  const Error error(Code::invalid,
                    "",
                    {{"FieldValueRequired", "Required value", "a"},
                     {"FieldValueRequired", "Required value", "b"}});

  EXPECT_EQ(message_of(error, kDeployment),
            "Deployment.apps \"web\" is invalid: [a: Required value, b: Required value]");
}

TEST(FailureStatus, NamesThePluralForAllButInvalid) {
  const Error error(Code::not_found, "deployments.apps \"web\" not found");

  EXPECT_EQ(failure_json(error, kDeployment),
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
            R"("message":"deployments.apps \"web\" not found","reason":"NotFound",)"
            R"("details":{"name":"web","group":"apps","kind":"deployments"},"code":404})");
}

TEST(FailureStatus, SaysWhenToComeBack) {
  Error error(Code::exhausted, "too many requests");
  error.retry_after_s = 3;

  EXPECT_THAT(failure_json(error, Subject{}),
              testing::HasSubstr(R"("details":{"retryAfterSeconds":3},"code":429)"));
}

TEST(FailureStatus, GivesTheTokenThatContinuesAnExpiredList) {
  const Error error(Code::expired,
                    "The provided continue parameter is too old",
                    {{"ListContinue", "token2", ""}});

  const auto json = failure_json(error, Subject{});

  EXPECT_THAT(json, testing::HasSubstr(R"("metadata":{"continue":"token2"})"));
  EXPECT_THAT(json, testing::HasSubstr(R"("details":{},"code":410)"));
}

TEST(SuccessStatus, NamesWhatIsGone) {
  auto subject = kDeployment;
  subject.uid = "u1";

  EXPECT_EQ(success_json(subject),
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success",)"
            R"("details":{"name":"web","group":"apps","kind":"deployments","uid":"u1"}})");
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
