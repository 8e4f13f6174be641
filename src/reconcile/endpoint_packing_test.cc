// SPDX-License-Identifier: Apache-2.0
#include "reconcile/endpoint_packing.h"

#include <algorithm>
#include <map>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kUs = "tester";

object::Tree endpoint(int number, bool is_ready = true) {
  return TreeObject{{"addresses", TreeArray{fmt::format("10.0.{}.{}", number / 250, number % 250)}},
                    {"conditions", TreeObject{{"ready", is_ready}}},
                    {"targetRef", TreeObject{{"uid", fmt::format("u{}", number)}}}};
}

TreeArray port(int number) {
  return TreeArray{TreeObject{{"name", "http"}, {"port", number}, {"protocol", "TCP"}}};
}

class PackingTest : public testing::Test {
 protected:
  PackingTest()
      : service_(world_.create(
            "services",
            R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"ns",
                "uid":"s-uid"}})")) {}

  /// Packs and applies; returns how many objects were written.
  std::size_t pack(const std::vector<SliceGroup>& groups) {
    Plan plan;
    const SliceOwner owner{
        .owner = service_, .service = "web", .managed_by = kUs, .labels = labels_};
    pack_slices(world_.mirror(), owner, groups, &plan);
    for (const auto& error : world_.apply(plan)) {
      EXPECT_EQ(error, "");
    }
    return plan.changes.size();
  }

  static SliceGroup group(int from, int to, int port_number = 80) {
    SliceGroup out{.address_type = "IPv4", .ports = port(port_number), .endpoints = {}};
    for (int i = from; i < to; ++i) {
      out.endpoints.push_back(endpoint(i));
    }
    return out;
  }

  /// How many endpoints each slice has, the largest first.
  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> out;
    for (const auto* slice : world_.list(kSliceResource)) {
      out.push_back(slice->root()["endpoints"].size());
    }
    std::sort(out.rbegin(), out.rend());
    return out;
  }

  /// Which slice each endpoint is in, by the endpoint's uid.
  std::map<std::string, std::string> places() const {
    std::map<std::string, std::string> out;
    for (const auto* slice : world_.list(kSliceResource)) {
      for (const auto each : slice->root()["endpoints"].elements()) {
        EXPECT_TRUE(
            out.emplace(std::string(each["targetRef"]["uid"].string()), slice->key.name).second);
      }
    }
    return out;
  }

  World world_;
  TreeObject labels_;
  const Stored service_;
};

TEST_F(PackingTest, FillsSlicesOfAHundred) {
  EXPECT_EQ(pack({group(0, 250)}), 3U);

  EXPECT_THAT(sizes(), ElementsAre(100, 100, 50));
}

TEST_F(PackingTest, WritesNothingTheSecondTime) {
  pack({group(0, 250)});

  EXPECT_EQ(pack({group(0, 250)}), 0U);
}

TEST_F(PackingTest, ASliceSaysWhoseItIs) {
  labels_["team"] = "a";
  pack({group(0, 1)});

  const auto slice = world_.list(kSliceResource).front()->root();
  EXPECT_EQ(slice["metadata"]["labels"]["kubernetes.io/service-name"].string(), "web");
  EXPECT_EQ(slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"].string(), kUs);
  EXPECT_EQ(slice["metadata"]["labels"]["team"].string(), "a");
  EXPECT_EQ(slice["metadata"]["ownerReferences"].at(0)["uid"].string(), "s-uid");
  EXPECT_EQ(slice["metadata"]["generateName"].string(), "web-");
  EXPECT_EQ(slice["addressType"].string(), "IPv4");
}

TEST_F(PackingTest, LabelsThatChangeAreWritten) {
  pack({group(0, 150)});
  labels_["team"] = "b";

  EXPECT_EQ(pack({group(0, 150)}), 2U);
}

TEST_F(PackingTest, OneThatGoesCostsOneWrite) {
  pack({group(0, 250)});
  auto wanted = group(0, 250);
  wanted.endpoints.erase(wanted.endpoints.begin() + 120);

  EXPECT_EQ(pack({wanted}), 1U);
  EXPECT_THAT(sizes(), ElementsAre(100, 99, 50));
}

TEST_F(PackingTest, OneThatComesGoesIntoTheFullestWithRoom) {
  pack({group(0, 150)});

  EXPECT_EQ(pack({group(0, 151)}), 1U);
  EXPECT_THAT(sizes(), ElementsAre(100, 51));
}

TEST_F(PackingTest, OneThatComesWhereAnotherGoesCostsOneWrite) {
  pack({group(0, 200)});
  auto wanted = group(0, 200);
  wanted.endpoints[10] = endpoint(777);

  EXPECT_EQ(pack({wanted}), 1U);
  EXPECT_THAT(sizes(), ElementsAre(100, 100));
}

TEST_F(PackingTest, AConditionThatChangesIsWrittenInItsPlace) {
  pack({group(0, 150)});
  const auto before = places();
  auto wanted = group(0, 150);
  wanted.endpoints[3] = endpoint(3, false);

  EXPECT_EQ(pack({wanted}), 1U);
  EXPECT_EQ(places(), before);
}

TEST_F(PackingTest, OtherPortsAreOtherSlices) {
  EXPECT_EQ(pack({group(0, 5, 80), group(5, 8, 8080)}), 2U);
  EXPECT_THAT(sizes(), ElementsAre(5, 3));

  pack({group(0, 8, 80)});
  EXPECT_THAT(sizes(), ElementsAre(8));
}

TEST_F(PackingTest, AnEmptyServiceKeepsOneEmptySlice) {
  pack({group(0, 150)});
  pack({group(0, 0)});
  EXPECT_THAT(sizes(), ElementsAre(0));

  EXPECT_EQ(pack({group(0, 0)}), 0U);
}

TEST_F(PackingTest, NoGroupsLeaveNothing) {
  pack({group(0, 150)});

  pack({});

  EXPECT_THAT(world_.list(kSliceResource), IsEmpty());
}

TEST_F(PackingTest, SlicesOfOthersAreLeftAlone) {
  world_.create(std::string(kSliceResource),
                R"({"kind":"EndpointSlice","metadata":{"name":"theirs","namespace":"ns","labels":
      {"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"somebody"},
      "ownerReferences":[{"uid":"s-uid","controller":true}]},"addressType":"IPv4",
      "endpoints":[{"addresses":["10.9.9.9"]}]})");

  pack({});

  EXPECT_THAT(world_.list(kSliceResource), SizeIs(1));
}

TEST_F(PackingTest, AnEndpointThatIsInTwoSlicesIsTakenOutOfOne) {
  pack({group(0, 2)});
  world_.create(
      std::string(kSliceResource),
      fmt::format(R"({{"kind":"EndpointSlice","metadata":{{"name":"copy","namespace":"ns","labels":
      {{"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"{}"}},
      "ownerReferences":[{{"uid":"s-uid","controller":true}}]}},"addressType":"IPv4","ports":[
      {{"name":"http","port":80,"protocol":"TCP"}}],"endpoints":[{{"addresses":["10.0.0.1"],
      "targetRef":{{"uid":"u1"}}}}]}})",
                  kUs));

  pack({group(0, 2)});

  EXPECT_THAT(places(), SizeIs(2));  // and none of them twice
}

/// Pods come, go and turn by chance: the slices hold exactly what is wanted, no slice too much, and
/// whoever stays does not move.
class PackingChanceTest : public PackingTest, public testing::WithParamInterface<unsigned> {};

TEST_P(PackingChanceTest, HoldsWhatIsWantedAndMovesNobody) {
  std::mt19937 random(GetParam());
  std::map<int, std::pair<int, bool>> wanted;  // number to port and readiness
  for (int round = 0; round < 25; ++round) {
    const auto before = places();
    auto unchanged = wanted;
    for (unsigned i = 0; i < random() % 60; ++i) {
      const int number = static_cast<int>(random() % 400);
      if (random() % 3 == 0) {
        wanted.erase(number);
        unchanged.erase(number);
      } else {
        const std::pair fresh(80 + static_cast<int>(random() % 2), random() % 4 != 0);
        if (wanted.contains(number) && wanted[number].first != fresh.first) {
          unchanged.erase(number);
        }
        wanted[number] = fresh;
      }
    }
    std::map<int, SliceGroup> groups;
    for (const auto& [number, state] : wanted) {
      auto& one = groups[state.first];
      one.address_type = "IPv4";
      one.ports = port(state.first);
      one.endpoints.push_back(endpoint(number, state.second));
    }
    std::vector<SliceGroup> list;
    for (auto& [number, one] : groups) {
      list.push_back(one);
    }

    pack(list);

    const auto now = places();
    ASSERT_EQ(now.size(), wanted.size());
    for (const auto& [number, state] : unchanged) {
      const auto uid = fmt::format("u{}", number);
      if (wanted.at(number).first == state.first && before.contains(uid)) {
        ASSERT_EQ(now.at(uid), before.at(uid)) << uid;
      }
    }
    for (const auto size : sizes()) {
      ASSERT_LE(size, kEndpointsPerSlice);
    }
    ASSERT_EQ(pack(list), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PackingChanceTest, testing::Range(1U, 16U));

}  // namespace
}  // namespace tetrarch::reconcile
