// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/sweeps.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

struct ExpiryRow {
  std::string_view name;
  std::string_view status;
  hours kept;
};

void PrintTo(const ExpiryRow& row, std::ostream* out) {
  *out << row.name;
}

class ExpiryTest : public testing::TestWithParam<ExpiryRow> {};

TEST_P(ExpiryTest, GoesWhenItsTimeIsOver) {
  const auto& row = GetParam();
  const Key key{"certificatesigningrequests.certificates.k8s.io", "", "r"};
  World world;
  world.add(signing_request_expiry_controller());
  world.create(
      key.resource,
      fmt::format(R"({{"kind":"CertificateSigningRequest","apiVersion":"certificates.k8s.io/v1",)"
                  R"("metadata":{{"name":"r"}},"spec":{{}},"status":{}}})",
                  row.status));
  ASSERT_TRUE(world.settle());

  world.advance(row.kept - seconds(1));
  ASSERT_TRUE(world.settle());
  EXPECT_NE(world.get(key), nullptr);
  world.advance(seconds(1));
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.get(key), nullptr);
}

constexpr auto kRows = std::to_array<ExpiryRow>({
    {"pending", "{}", hours(24)},
    {"approved_and_never_issued", R"({"conditions":[{"type":"Approved"}]})", hours(24)},
    {"issued", R"({"certificate":"eA==","conditions":[{"type":"Approved"}]})", hours(1)},
    {"denied", R"({"conditions":[{"type":"Denied"}]})", hours(1)},
    {"failed", R"({"conditions":[{"type":"Approved"},{"type":"Failed"}]})", hours(1)},
});
INSTANTIATE_TEST_SUITE_P(Table, ExpiryTest, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string{row.param.name};
});

}  // namespace
}  // namespace tetrarch::reconcile
