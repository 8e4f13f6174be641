// SPDX-License-Identifier: Apache-2.0
#include "app/image_visits.h"

#include <deque>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/virtual_time.h"
#include "object/document.h"

namespace tetrarch::app {
namespace {

using api::distribution::Purpose;
using api::distribution::Visit;
using ::testing::HasSubstr;

class ImageVisits : public testing::Test {
 protected:
  ImageVisits() {
    const auto text = Document::from_canonical(
        R"({"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]})");
    log_.policy = *api::kubernetes::AuditPolicy::parse(text->root());
    log_.write = [this](std::string line) { lines_.push_back(std::move(line)); };
    about_.verb = "create";
    about_.group = "images.tetrarch.dev";
    about_.version = "v1";
    about_.resource = "images";
    request_.method = "PUT";
    request_.path = "/v2/app/manifests/1";
    request_.peer.address = "10.0.0.9:4711";
  }

  std::unique_ptr<Visit> visit() {
    return make_image_visits({fairness_, &log_, time_, system_random()})();
  }

  struct Outcome {
    bool is_over = false;
    Status status = ok();
  };

  static Task<void> enter(Visit& visit, Purpose purpose, Outcome& outcome) {
    outcome.status = co_await visit.enter(purpose);
    outcome.is_over = true;
  }

  void begin(Visit& visit, Outcome& outcome, bool moves_blob = false) {
    asio::co_spawn(context_,
                   enter(visit, Purpose{who_, about_, request_, moves_blob}, outcome),
                   [](const std::exception_ptr& error) { EXPECT_EQ(error, nullptr); });
    context_.restart();
    context_.poll();
  }

  std::string member(std::size_t line, std::string_view path) const {
    return std::string(Document::from_canonical(lines_.at(line))->root().find(path).string());
  }

  asio::io_context context_;
  async::VirtualTime& time_{asio::make_service<async::VirtualTime>(
      context_, TimePoint{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}})};
  Metrics metrics_;
  api::kubernetes::Fairness fairness_{{.seats = 1}, metrics_};
  api::kubernetes::AuditLog log_;
  std::vector<std::string> lines_;
  trust::Identity who_{.user = "ann", .groups = {"system:authenticated"}};
  registry::Attributes about_;
  net::Request request_;
};

TEST_F(ImageVisits, AreInTheAuditLogAsWhatTheyDoToImages) {
  const auto one = visit();
  Outcome outcome;
  begin(*one, outcome);
  ASSERT_TRUE(outcome.is_over);
  one->complete(404, "MANIFEST_BLOB_UNKNOWN", "a blob is missing");

  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_EQ(member(0, "stage"), "RequestReceived");
  EXPECT_EQ(member(0, "requestURI"), "/v2/app/manifests/1");
  EXPECT_EQ(member(1, "stage"), "ResponseComplete");
  EXPECT_EQ(member(1, "verb"), "update");
  EXPECT_EQ(member(1, "user.username"), "ann");
  EXPECT_EQ(member(1, "objectRef.resource"), "images");
  EXPECT_EQ(member(1, "objectRef.apiGroup"), "images.tetrarch.dev");
  EXPECT_EQ(member(1, "responseStatus.message"), "a blob is missing");
  EXPECT_EQ(member(1, "responseStatus.reason"), "MANIFEST_BLOB_UNKNOWN");
  EXPECT_THAT(lines_[1], HasSubstr(R"("code":404)"));
  EXPECT_THAT(lines_[1], HasSubstr(R"("sourceIPs":["10.0.0.9"])"));
}

TEST_F(ImageVisits, AStrangerIsInTheLogToo) {
  const auto one = visit();
  const trust::Identity nobody;
  one->note_stranger({nobody, about_, request_});
  one->complete(401, "UNAUTHORIZED", "show a token");

  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_EQ(member(1, "user.username"), "");
  EXPECT_THAT(lines_[1], HasSubstr(R"("code":401)"));
}

TEST_F(ImageVisits, WaitForTheirTurnAndAreRefusedWhenItDoesNotCome) {
  std::vector<std::unique_ptr<Visit>> visits;
  std::deque<Outcome> outcomes;
  do {
    visits.push_back(visit());
    begin(*visits.back(), outcomes.emplace_back());
    ASSERT_LT(visits.size(), 100U) << "there are fewer seats than that";
  } while (outcomes.back().is_over);

  time_.move_to(time_.now() + std::chrono::seconds(16));
  context_.restart();
  context_.poll();

  ASSERT_TRUE(outcomes.back().is_over);
  ASSERT_FALSE(outcomes.back().status.ok());
  EXPECT_EQ(outcomes.back().status.error().code, Code::exhausted);
  EXPECT_GT(outcomes.back().status.error().retry_after_s, 0);
}

TEST_F(ImageVisits, ABlobOnItsWayKeepsNobodyWaiting) {
  std::vector<std::unique_ptr<Visit>> visits;
  std::deque<Outcome> outcomes;
  for (int i = 0; i < 100; ++i) {
    visits.push_back(visit());
    begin(*visits.back(), outcomes.emplace_back(), true);
    EXPECT_TRUE(outcomes.back().is_over) << i;
  }
}

}  // namespace
}  // namespace tetrarch::app
