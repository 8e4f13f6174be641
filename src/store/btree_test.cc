// SPDX-License-Identifier: Apache-2.0
#include "store/btree.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "store/store_fixture.h"

namespace tetrarch::store {
namespace {

using Model = std::map<std::pair<std::string, std::string>, std::uint64_t>;

EntryPtr entry(std::string_view ns, std::string_view name, std::uint64_t revision = 1) {
  return Entry::make({ns, name}, "", Revision{revision}, doc(""));
}

Model contents(const Tree& tree) {
  Model found;
  tree.scan({}, [&](const Entry& e) {
    found[{std::string(e.ns()), std::string(e.name())}] = e.revision().number;
    return true;
  });
  return found;
}

TEST(Tree, IsEmptyAtFirst) {
  const Tree tree;
  EXPECT_EQ(tree.size(), 0U);
  EXPECT_EQ(tree.find({"a", "b"}), nullptr);
  EXPECT_EQ(tree.rank({"a", "b"}), 0U);
  EXPECT_TRUE(contents(tree).empty());
  EXPECT_TRUE(tree.is_sound());
}

TEST(Tree, IsFullWhenLoadedInOrder) {
  Tree tree;
  Edit edit(1);
  for (int i = 0; i < 10'000; ++i) {
    edit.put(tree, entry("default", std::to_string(100'000 + i)));
  }
  EXPECT_EQ(tree.size(), 10'000U);
  EXPECT_TRUE(tree.is_sound());
  EXPECT_EQ(tree.rank({"default", "105000"}), 5'000U);
}

TEST(Tree, StopsAScanWhenTold) {
  Tree tree;
  Edit edit(1);
  for (int i = 0; i < 1'000; ++i) {
    edit.put(tree, entry("", std::to_string(1'000 + i)));
  }
  int seen = 0;
  tree.scan({"", "1500"}, [&](const Entry& e) {
    EXPECT_EQ(e.name(), std::to_string(1'501 + seen));
    return ++seen < 100;
  });
  EXPECT_EQ(seen, 100);
}

TEST(Tree, AgreesWithAMapThroughRandomEditsAndKeepsOldCopiesAsTheyWere) {
  constexpr unsigned kSeed = 20261123;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  Tree tree;
  Model model;
  std::vector<std::pair<Tree, Model>> kept;
  for (std::uint64_t round = 1; round <= 200; ++round) {
    Edit edit(round);
    const bool is_shrinking = round % 50 > 35;
    for (int i = 0; i < 100; ++i) {
      const std::string ns = std::to_string(random() % 3);
      const std::string name = std::to_string(random() % 3'000);
      if (random() % 4 < (is_shrinking ? 3U : 1U)) {
        const EntryPtr old = edit.erase(tree, {ns, name});
        EXPECT_EQ(old != nullptr, model.erase({ns, name}) > 0);
      } else {
        const EntryPtr old = edit.put(tree, entry(ns, name, round));
        EXPECT_EQ(old != nullptr, model.contains({ns, name}));
        model[{ns, name}] = round;
      }
    }
    ASSERT_TRUE(tree.is_sound()) << "round " << round;
    ASSERT_EQ(tree.size(), model.size());
    if (round % 20 == 0) {
      kept.emplace_back(tree, model);
    }
  }
  for (const auto& [old_tree, old_model] : kept) {
    EXPECT_TRUE(old_tree.is_sound());
    EXPECT_EQ(contents(old_tree), old_model);
    std::size_t rank = 0;
    for (const auto& [place, revision] : old_model) {
      ASSERT_EQ(old_tree.rank({place.first, place.second}), rank++);
      ASSERT_EQ(old_tree.find({place.first, place.second})->revision().number, revision);
    }
  }
}

TEST(Tree, ShrinksToNothing) {
  Tree tree;
  Edit edit(1);
  for (int i = 0; i < 5'000; ++i) {
    edit.put(tree, entry("", std::to_string(i * 7919 % 5'000)));
  }
  const Tree full = tree;
  Edit second(2);
  for (int i = 0; i < 5'000; ++i) {
    ASSERT_NE(second.erase(tree, {"", std::to_string(i * 104'729 % 5'000)}), nullptr);
    if (i % 97 == 0) {
      ASSERT_TRUE(tree.is_sound()) << i;
    }
  }
  EXPECT_EQ(tree.size(), 0U);
  EXPECT_EQ(full.size(), 5'000U);
}

TEST(Tree, KeepsNoDocumentOfAnOldState) {
  Tree tree;
  const DocumentPtr old = doc("old");
  for (std::uint64_t i = 0; i < 200; ++i) {
    Edit edit(i + 1);
    edit.put(tree, Entry::make({"", std::to_string(i)}, "", Revision{1}, old));
  }
  for (std::uint64_t i = 0; i < 200; ++i) {
    Edit edit(i + 1'000);
    edit.put(tree, entry("", std::to_string(i), 2));
  }
  EXPECT_EQ(old.use_count(), 1);
}

}  // namespace
}  // namespace tetrarch::store
