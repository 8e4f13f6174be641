// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/sweeps.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

class ServiceRangesTest : public testing::Test {
 protected:
  ServiceRangesTest() { world_.add(service_ranges_controller()); }

  Key add_range(std::string_view name, std::string_view cidr) {
    const Key key{"servicecidrs.networking.k8s.io", "", std::string(name)};
    world_.create(key.resource,
                  fmt::format(R"({{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1",)"
                              R"("metadata":{{"name":"{}","finalizers":[)"
                              R"("networking.k8s.io/service-cidr-finalizer"]}},)"
                              R"("spec":{{"cidrs":["{}"]}}}})",
                              name,
                              cidr));
    return key;
  }

  Key add_address(std::string_view address, std::string_view manager = "ipallocator.k8s.io") {
    const Key key{"ipaddresses.networking.k8s.io", "", std::string(address)};
    world_.create(key.resource,
                  fmt::format(R"({{"kind":"IPAddress","apiVersion":"networking.k8s.io/v1",)"
                              R"("metadata":{{"name":"{}","labels":{{)"
                              R"("ipaddress.kubernetes.io/managed-by":"{}"}}}},"spec":{{}}}})",
                              address,
                              manager));
    return key;
  }

  /// "True", or "False: reason".
  std::string ready(const Key& key) {
    EXPECT_TRUE(world_.settle());
    const auto* cidr = world_.get(key);
    if (cidr == nullptr) {
      return "gone";
    }
    const auto condition = cidr->root()["status"]["conditions"].at(0);
    const auto reason = condition["reason"].string();
    return fmt::format("{}{}{}", condition["status"].string(), reason.empty() ? "" : ": ", reason);
  }

  World world_;
};

TEST_F(ServiceRangesTest, IsReadyAndMadeReadyAgain) {
  const auto key = add_range("more", "10.60.0.0/24");
  EXPECT_EQ(ready(key), "True");

  world_.change(key, [](object::TreeObject& root) { root.erase("status"); });
  EXPECT_EQ(ready(key), "True");
}

TEST_F(ServiceRangesTest, GoesWhenNoServiceHasAnAddressOfIt) {
  const auto key = add_range("more", "10.60.0.0/24");
  const auto address = add_address("10.60.0.7");
  add_address("10.61.0.7");
  add_address("10.60.0.8", "somebody-else");
  ASSERT_TRUE(world_.settle());

  world_.remove(key);
  EXPECT_EQ(ready(key), "False: Terminating");
  world_.remove(address);
  EXPECT_EQ(ready(key), "gone");
}

TEST_F(ServiceRangesTest, GoesWhenAnotherThatStaysHasItsAddresses) {
  const auto key = add_range("more", "10.60.0.0/24");
  const auto ending = add_range("ending", "10.60.0.0/24");
  add_address("10.60.0.7");
  ASSERT_TRUE(world_.settle());

  world_.remove(key);
  world_.remove(ending);
  EXPECT_EQ(ready(key), "False: Terminating");
  EXPECT_EQ(ready(ending), "False: Terminating");
  add_range("wider", "10.60.0.0/16");
  EXPECT_EQ(ready(key), "gone");
  EXPECT_EQ(ready(ending), "gone");
}

}  // namespace
}  // namespace tetrarch::reconcile
