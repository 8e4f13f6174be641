// SPDX-License-Identifier: Apache-2.0
// Which addresses Endpoints and EndpointSlices may name, and who may name others.
#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::HasSubstr;

constexpr const char* kSlices = "endpointslices.discovery.k8s.io";

struct AddressRow {
  std::string address;
  std::string fault;  ///< empty: it is taken
};

const AddressRow kRows[] = {
    {"0.0.0.0", "may not be unspecified (0.0.0.0)"},
    {"::", "may not be unspecified (::)"},
    {"127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
    {"127.255.0.9", "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
    {"::1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
    {"::ffff:127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
    {"169.254.169.254", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
    {"fe80::1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
    {"224.0.0.1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
    {"ff02::1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
    {"10.1.2.3", ""},
    {"0.0.0.1", ""},
    {"169.253.0.1", ""},
    {"224.0.1.1", ""},
    {"fd00::1", ""},
    {"ff05::2", ""},
};

std::string slice(std::string_view name, std::string_view address, std::string_view more = "") {
  return fmt::format(
      R"({{"metadata":{{"name":"{}"{}}},"addressType":"{}","endpoints":[{{"addresses":["{}"]}}]}})",
      name,
      more,
      address.find(':') == std::string_view::npos ? "IPv4" : "IPv6",
      address);
}

std::string endpoints(std::string_view list, std::string_view address, std::string_view more = "") {
  return fmt::format(
      R"({{"metadata":{{"name":"e"{}}},"subsets":[{{"addresses":[{{"ip":"10.0.0.1"}}]}},)"
      R"({{"{}":[{{"ip":"10.0.0.2"}},{{"ip":"{}"}}]}}]}})",
      more,
      list,
      address);
}

class EndpointsTest : public RegistryTest {
 protected:
  EndpointsTest() { open_namespace("default"); }

  /// As our controllers do it.
  Result<Stored> create_within(std::string_view resource, const std::string& json) {
    auto where = call(resource, "default");
    where.is_internal = true;
    return create_in(std::move(where), json);
  }
};

TEST_F(EndpointsTest, SlicesNameNoAddressThatIsEachMachinesOwn) {
  for (const auto& row : kRows) {
    const auto answer = text_of(create(kSlices, "default", slice("s", row.address)));

    EXPECT_EQ(answer,
              row.fault.empty()
                  ? "ok"
                  : fmt::format("invalid: EndpointSlice.discovery.k8s.io \"s\" is invalid: "
                                "endpoints[0].addresses[0]: Invalid value: \"{}\": {}",
                                row.address,
                                row.fault));
    if (row.fault.empty()) {
      ASSERT_TRUE(remove(kSlices, "default", "s").ok());
    }
  }
}

TEST_F(EndpointsTest, NorDoEndpointsInEitherList) {
  for (const auto* list : {"addresses", "notReadyAddresses"}) {
    for (const auto& row : kRows) {
      const auto answer = text_of(create("endpoints", "default", endpoints(list, row.address)));

      EXPECT_EQ(answer,
                row.fault.empty() ? "ok"
                                  : fmt::format("invalid: Endpoints \"e\" is invalid: "
                                                "subsets[1].{}[1].ip: Invalid value: \"{}\": {}",
                                                list,
                                                row.address,
                                                row.fault));
      if (row.fault.empty()) {
        ASSERT_TRUE(remove("endpoints", "default", "e").ok());
      }
    }
  }
}

TEST_F(EndpointsTest, NamesAreNoAddresses) {
  EXPECT_TRUE(create(kSlices,
                     "default",
                     R"({"metadata":{"name":"s"},"addressType":"FQDN",)"
                     R"("endpoints":[{"addresses":["example.com"]}]})")
                  .ok());
}

/// A server that is reached at 127.0.0.1 says so in the service `kubernetes`, and pods in the
/// network of such a machine have its address.
TEST_F(EndpointsTest, OurControllersMayNameThem) {
  EXPECT_TRUE(create_within(kSlices, slice("s", "127.0.0.1")).ok());
  EXPECT_TRUE(create_within("endpoints", endpoints("addresses", "127.0.0.1")).ok());
}

TEST_F(EndpointsTest, WhatIsThereAlreadyMayStay) {
  ASSERT_TRUE(create_within(kSlices, slice("s", "127.0.0.1")).ok());
  ASSERT_TRUE(create_within("endpoints", endpoints("addresses", "127.0.0.1")).ok());
  const auto* label = R"({"metadata":{"labels":{"a":"b"}}})";

  EXPECT_EQ(text_of(merge(kSlices, "default", "s", label)), "ok");
  EXPECT_EQ(text_of(merge("endpoints", "default", "e", label)), "ok");

  EXPECT_THAT(text_of(update(kSlices, "default", "s", slice("s", "127.0.0.2"))),
              HasSubstr("loopback"));
  EXPECT_THAT(
      text_of(update("endpoints", "default", "e", endpoints("notReadyAddresses", "127.0.0.1"))),
      HasSubstr("loopback"));
}

}  // namespace
}  // namespace tetrarch::registry
