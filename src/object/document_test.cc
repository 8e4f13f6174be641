// SPDX-License-Identifier: Apache-2.0
#include "object/document.h"

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

TEST(Document, RoundTripsThroughATree) {
  const std::string json = R"({"i":-9007199254740993,"u":18446744073709551615,"d":0.1,"s":"a\"b","l":[{},[],null]})";
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

}  // namespace
}  // namespace tetrarch::object
