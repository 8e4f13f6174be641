// SPDX-License-Identifier: Apache-2.0
#include "object/document.h"

#include <limits>

#include <gtest/gtest.h>

#include "object/stored.h"
#include "object/tree.h"

namespace tetrarch::object {
namespace {

DocumentPtr must_parse(std::string_view json) {
  auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << document.error().message;
  return *document;
}

TEST(Document, FollowsPathsAndSaysNothingWhereThereIsNothing) {
  const auto document = must_parse(R"( {"a": {"b": [1, "x", {"c": true}]}, "n": null, "d": 1.5} )");
  const View root = document->root();

  EXPECT_EQ(document->bytes(), R"({"a":{"b":[1,"x",{"c":true}]},"n":null,"d":1.5})");
  EXPECT_EQ(root.find("a.b").size(), 3U);
  EXPECT_EQ(root.find("a.b").at(0).integer(), 1);
  EXPECT_EQ(root.find("a.b").at(1).string(), "x");
  EXPECT_TRUE(root.find("a.b").at(2)["c"].boolean());
  EXPECT_EQ(root["d"].number(), 1.5);
  EXPECT_TRUE(root["n"].exists());
  EXPECT_FALSE(root["n"]);
  EXPECT_FALSE(root.find("a.x.y").exists());
  EXPECT_EQ(root.find("a.x.y").string("none"), "none");
}

struct IntegerRow {
  std::string_view json;
  std::int64_t value;
};

TEST(View, ReadsIntegersThatFitAndElseSaysTheFallback) {
  constexpr IntegerRow kRows[] = {
      {"0", 0},
      {"-7", -7},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"1.9", 1},
      {"-1.9", -1},
      {"1e3", 1000},
      {"9223372036854775808", 42},
      {"18446744073709551615", 42},
      {"9.3e18", 42},
      {"-9.3e18", 42},
      {"1e300", 42},
      {"-1e300", 42},
      {R"("7")", 42},
      {"true", 42},
      {"null", 42},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(must_parse(row.json)->root().integer(42), row.value) << row.json;
  }
}

TEST(Document, DecodesEscapesAndPrintsThemCanonically) {
  const auto document = must_parse(R"(["tab\there","\u00e9\ud83d\ude00","q\"\\","\u0001"])");
  const View root = document->root();

  EXPECT_EQ(root.at(0).string(), "tab\there");
  EXPECT_EQ(root.at(1).string(), "é😀");
  EXPECT_EQ(root.at(2).string(), "q\"\\");
  EXPECT_EQ(document->bytes(), "[\"tab\\there\",\"é😀\",\"q\\\"\\\\\",\"\\u0001\"]");
}

TEST(Document, RefusesWhatIsNoJson) {
  for (const std::string_view bad : {"", "{", "{\"a\":}", "[1,]", "nul", "{} {}", "\"\\x\""}) {
    EXPECT_FALSE(Document::parse(bad).ok()) << bad;
  }
}

TEST(Document, TakesTheLastOfTwoMembersInThePlaceOfTheFirst) {
  std::string many = "{";
  for (int i = 0; i < 40; ++i) {
    many += "\"k" + std::to_string(i % 39) + "\":" + std::to_string(i) + ",";
  }
  many.back() = '}';

  EXPECT_EQ(must_parse(R"({"a":1,"b":2,"a":{"c":3,"c":4}})")->bytes(), R"({"a":{"c":4},"b":2})");
  EXPECT_EQ(must_parse(R"({"a":1,"\u0061":2})")->bytes(), R"({"a":2})");
  EXPECT_EQ(must_parse(many)->root()["k0"].integer(), 39);
  EXPECT_EQ(must_parse(many)->root().size(), 39U);
}

TEST(Document, RefusesWhatNestsTooDeep) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };

  EXPECT_TRUE(Document::parse(nested(500)).ok());
  EXPECT_FALSE(Document::parse(nested(520)).ok());
  EXPECT_FALSE(Document::parse(nested(100'000)).ok());
}

TEST(Document, SpellsNumbersOneWay) {
  EXPECT_EQ(
      must_parse("[1.0,1e3,-0,-0.0,0.10,1E-7,1e20,18446744073709551616.0,-9223372036854775808]")
          ->bytes(),
      "[1,1000,0,0,0.1,1e-07,1e+20,1.8446744073709552e+19,-9223372036854775808]");
}

TEST(Document, IsTheSameWhenParsedAgain) {
  for (const std::string_view json :
       {R"({"a":"\u003c\/\u0000\u001f\"\\","b":[1e400]})",
        R"([" ",{"":{}},[[]],[true,false,null],-1,1.5e300,"\ud83d\ude00"])",
        "18446744073709551615",
        "\"\\\\\"",
        " [ ] "}) {
    const auto once = Document::parse(json);
    if (!once.ok()) {
      continue;
    }
    const auto twice = must_parse((*once)->bytes());
    EXPECT_EQ((*once)->bytes(), twice->bytes());
    EXPECT_TRUE((*once)->root().same_as(twice->root()));
  }
}

TEST(Document, KeepsNothingOfALargeDocumentInTheNextOne) {
  const auto large = must_parse("[\"" + std::string(3'000'000, 'x') + "\"]");
  const auto small = must_parse(R"({"a":"b"})");

  EXPECT_EQ(large->root().at(0).string().size(), 3'000'000U);
  EXPECT_EQ(small->root()["a"].string(), "b");
}

TEST(Document, RoundTripsThroughATree) {
  const std::string json =
      R"({"i":-9007199254740993,"u":18446744073709551615,"d":0.1,"s":"a\"b","l":[{},[],null]})";
  const auto document = must_parse(json);

  EXPECT_EQ(to_json(to_tree(document->root())), json);
}

TEST(Stored, SplicesTheRevisionIntoMetadata) {
  std::string out;
  append_spliced(out, *must_parse(R"({"kind":"Pod","metadata":{"name":"a"}})"), Revision{7});
  append_spliced(out, *must_parse(R"({"metadata":{}})"), Revision{8});

  EXPECT_EQ(out,
            R"({"kind":"Pod","metadata":{"resourceVersion":"7","name":"a"}})"
            R"({"metadata":{"resourceVersion":"8"}})");
}

TEST(Document, WalksPastContainersAndBracketsInTexts) {
  const auto document = must_parse(
      R"({"a":{"x":[[],{},[1,{"y":"}]"}]],"e":{}},"\"k\"":["]",{"m":[]},-2.5],"z":true,"w":null})");
  const View root = document->root();

  EXPECT_EQ(root.size(), 4U);
  EXPECT_EQ(root["a"]["x"].size(), 3U);
  EXPECT_EQ(root["a"]["x"].at(2).at(1)["y"].string(), "}]");
  EXPECT_TRUE(root["a"]["e"].is_object());
  EXPECT_EQ(root["a"]["e"].size(), 0U);
  EXPECT_EQ(root["\"k\""].at(1).raw(), R"({"m":[]})");
  EXPECT_EQ(root["\"k\""].at(2).number(), -2.5);
  EXPECT_TRUE(root["z"].boolean());
  EXPECT_EQ(root["w"].kind(), Kind::null);
  EXPECT_FALSE(root["k"].exists());
}

TEST(Document, FindsNothingInWhatIsEmptyAndWhatStandsBehindIt) {
  const auto document =
      must_parse(R"({"a":{},"b":[],"c":[{},[],{"x":{}},[[]]],"d":{"e":{}},"f":1})");
  const View root = document->root();

  for (const View bare : {root["a"], root["b"], root["c"].at(0), root["c"].at(1), root["d"]["e"]}) {
    EXPECT_EQ(bare.size(), 0U) << bare.raw();
    EXPECT_TRUE(bare.raw() == "{}" || bare.raw() == "[]") << bare.raw();
    EXPECT_TRUE(bare.is_object() != bare.is_array());
    EXPECT_FALSE(bare["x"].exists());
    EXPECT_FALSE(bare.at(0).exists());
    EXPECT_TRUE(bare.members().begin() == bare.members().end());
    EXPECT_TRUE(bare.elements().begin() == bare.elements().end());
  }
  EXPECT_EQ(root["c"].size(), 4U);
  EXPECT_EQ(root["c"].at(2)["x"].raw(), "{}");
  EXPECT_EQ(root["c"].at(3).at(0).raw(), "[]");
  EXPECT_EQ(root["f"].integer(), 1);
  EXPECT_EQ(must_parse("{}")->root().size(), 0U);
  EXPECT_FALSE(must_parse("[]")->root().at(0).exists());
}

}  // namespace
}  // namespace tetrarch::object
