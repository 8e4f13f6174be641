// SPDX-License-Identifier: Apache-2.0
// What the registry does to units: fleet's checks for everybody, the hash, who may.
#include <array>

#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::HasSubstr;

constexpr std::string_view kUnits = "units.fleet.tetrarch.dev";

std::string unit(std::string_view name, std::string_view options, std::string_view more = "") {
  return fmt::format(R"({{"apiVersion":"fleet.tetrarch.dev/v1","kind":"Unit","metadata":)"
                     R"({{"name":"{}"}},"spec":{{"options":[{}]{}}}}})",
                     name,
                     options,
                     more);
}

constexpr std::string_view kSleep = R"({"section":"Service","name":"ExecStart","value":"sleep"})";

std::string fleet_option(std::string_view name, std::string_view value) {
  return fmt::format(R"({{"section":"X-Fleet","name":"{}","value":"{}"}})", name, value);
}

class FleetKindsTest : public RegistryTest {
 protected:
  Result<Stored> make(std::string json) {
    return run(registry_->create(call(kUnits, "fleet"), std::move(json), {}));
  }
};

struct RefusalRow {
  std::string_view name;
  std::string json;
  std::string_view says;
};

TEST_F(FleetKindsTest, RefusesWhatFleetRefuses) {
  const std::vector<RefusalRow> rows = {
      {"type", unit("a.foo", kSleep), R"(invalid unit type: "foo")"},
      {"dot", unit("a", kSleep), R"(unit name must contain ".")"},
      {"empty", unit("a.service", ""), "spec.options: Required value"},
      {"global",
       unit("a.service", fleet_option("MachineID", "m") + "," + fleet_option("Global", "true")),
       "MachineID cannot be used with Global"},
      {"cpu", unit("a.service", fleet_option("CPU", "much")), "CPU= in [X-Fleet] must be"},
      {"label", unit("a.service", fleet_option("Label", "a=b c")), "Label= in [X-Fleet]"},
      {"template",
       unit("a@.service", kSleep, R"(,"desiredState":"launched")"),
       R"(cannot activate template "a@.service")"},
      {"state", unit("a.service", kSleep, R"(,"desiredState":"running")"), "supported values"},
  };
  for (const auto& row : rows) {
    const auto made = make(row.json);
    ASSERT_FALSE(made.ok()) << row.name;
    EXPECT_THAT(text_of(made), HasSubstr(std::string(row.says))) << row.name;
  }
}

TEST_F(FleetKindsTest, KeepsNamesAndTellsTheHash) {
  const auto made = make(unit("foo@1.service", kSleep));
  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_EQ(made->root().find("spec.desiredState").string(), "inactive");
  EXPECT_EQ(made->root().find("status.currentState").string(), "inactive");
  const std::string hash(made->root().find("status.hash").string());
  EXPECT_EQ(hash.size(), 40U);

  const auto changed =
      run(registry_->update(call(kUnits, "fleet", "foo@1.service"),
                            unit("foo@1.service",
                                 R"({"section":"Service","name":"ExecStart","value":"other"})",
                                 R"(,"desiredState":"launched")"),
                            {}));
  ASSERT_TRUE(changed.ok()) << text_of(changed);
  EXPECT_NE(changed->root().find("status.hash").string(), hash);
  EXPECT_EQ(changed->root().find("status.currentState").string(), "inactive");
}

TEST_F(FleetKindsTest, APodOfASystemdUnitNeedsNoImage) {
  const auto pod = [](std::string_view spec) {
    return fmt::format(
        R"({{"metadata":{{"name":"p"}},"spec":{{{}"containers":[{{"name":"unit"}}]}}}})", spec);
  };
  ASSERT_TRUE(create("serviceaccounts", "fleet", R"({"metadata":{"name":"default"}})").ok());
  const auto refused = run(registry_->create(call("pods", "fleet"), pod(""), {}));
  EXPECT_THAT(text_of(refused), HasSubstr("spec.containers[0].image: Required value"));
  const auto made =
      run(registry_->create(call("pods", "fleet"), pod(R"("runtimeClassName":"systemd",)"), {}));
  EXPECT_TRUE(made.ok()) << text_of(made);
}

TEST_F(FleetKindsTest, TheDialectHasARoleOfItsOwn) {
  who_ = plain_user("system:fleet");
  EXPECT_TRUE(make(unit("a.service", kSleep)).ok());
  const auto pods = run(registry_->create(
      call("pods", "fleet"),
      R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})",
      {}));
  EXPECT_THAT(text_of(pods), HasSubstr("forbidden"));
}

}  // namespace
}  // namespace tetrarch::registry
