// SPDX-License-Identifier: Apache-2.0
// The corners of JSON, both ways: what is read, what is refused, and what is printed for it.
#include <array>
#include <cmath>
#include <limits>
#include <ostream>

#include <gtest/gtest.h>

#include "object/document.h"
#include "object/path.h"
#include "object/stored.h"
#include "object/tree.h"
#include "object/writer.h"

namespace tetrarch::object {
namespace {

struct CanonicalRow {
  std::string_view name;
  std::string_view json;
  std::string_view canonical;
};

void PrintTo(const CanonicalRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kCanonical = std::to_array<CanonicalRow>({
    {"white_space", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", R"({"a":[1,2]})"},
    {"empty_object", "{}", "{}"},
    {"empty_list", "[ ]", "[]"},
    {"empty_name", R"({"":1})", R"({"":1})"},
    {"scalar", "true", "true"},
    {"slash_needs_no_escape", R"("\/")", R"("/")"},
    {"short_escapes", R"("\b\f\n\r\t")", R"("\b\f\n\r\t")"},
    {"long_forms_of_short_escapes", R"("\u0008\u000c\u000a\u000d\u0009")", R"("\b\f\n\r\t")"},
    {"other_controls", R"("\u0000\u001f\u007f")", "\"\\u0000\\u001f\x7f\""},
    {"html_is_left_alone", R"("\u003c&>")", R"("<&>")"},
    {"two_bytes", R"("\u00fc")", "\"\xc3\xbc\""},
    {"three_bytes", R"("\u20ac")", "\"\xe2\x82\xac\""},
    {"surrogate_pair", R"("\ud83d\ude00")", "\"\xf0\x9f\x98\x80\""},
    {"last_code_point", R"("\udbff\udfff")", "\"\xf4\x8f\xbf\xbf\""},
    {"line_separators", R"("\u2028\u2029")", "\"\xe2\x80\xa8\xe2\x80\xa9\""},
    {"escaped_name", R"({"\u0061\n":1})", R"({"a\n":1})"},
    {"minus_zero", "-0", "0"},
    {"minus_zero_point", "-0.0e5", "0"},
    {"largest_int64", "9223372036854775807", "9223372036854775807"},
    {"smallest_int64", "-9223372036854775808", "-9223372036854775808"},
    {"largest_uint64", "18446744073709551615", "18446744073709551615"},
    {"beyond_two_to_53", "9007199254740993", "9007199254740993"},
    {"whole_double", "3.0", "3"},
    {"exponent", "25e-1", "2.5"},
    {"smallest_double", "5e-324", "5e-324"},
    {"largest_double", "1.7976931348623157e308", "1.7976931348623157e+308"},
    {"underflow", "1e-400", "0"},
    {"twice_first_place_last_value", R"({"a":1,"b":2,"a":3})", R"({"a":3,"b":2})"},
    {"twice_inside_a_list", R"([{"a":{"x":1},"a":{"y":2}}])", R"([{"a":{"y":2}}])"},
});

class CanonicalTest : public testing::TestWithParam<CanonicalRow> {};

TEST_P(CanonicalTest, HasOneSpelling) {
  const auto& row = GetParam();

  const auto document = Document::parse(row.json);

  ASSERT_TRUE(document.ok()) << document.error().message;
  EXPECT_EQ((*document)->bytes(), row.canonical);
  EXPECT_EQ((*Document::parse((*document)->bytes()))->bytes(), row.canonical);
  EXPECT_EQ(to_json(to_tree((*document)->root())), row.canonical);
}

INSTANTIATE_TEST_SUITE_P(Table, CanonicalTest, testing::ValuesIn(kCanonical), [](const auto& row) {
  return std::string{row.param.name};
});

constexpr auto kRefused = std::to_array<CanonicalRow>({
    {"nothing", "", ""},
    {"blank", "  ", ""},
    {"two_values", "1 2", ""},
    {"comma_at_end_of_object", R"({"a":1,})", ""},
    {"comma_at_end_of_list", "[1,]", ""},
    {"comma_alone", "[,]", ""},
    {"no_colon", R"({"a" 1})", ""},
    {"no_value", R"({"a":})", ""},
    {"name_without_quotes", "{a:1}", ""},
    {"single_quotes", "'a'", ""},
    {"comment", "[1/*x*/]", ""},
    {"object_not_closed", R"({"a":1)", ""},
    {"string_not_closed", "\"a", ""},
    {"wrong_bracket", "[1}", ""},
    {"control_in_string", "\"\n\"", ""},
    {"unknown_escape", R"("\x41")", ""},
    {"short_unicode_escape", R"("\u12")", ""},
    {"no_hex", R"("\u12g4")", ""},
    {"leading_zero", "01", ""},
    {"plus", "+1", ""},
    {"point_first", ".5", ""},
    {"point_last", "5.", ""},
    {"exponent_without_digits", "1e", ""},
    {"hexadecimal", "0x10", ""},
    {"not_a_number", "NaN", ""},
    {"infinity", "-Infinity", ""},
    {"too_large_for_a_double", "1e400", ""},
    {"word_cut", "tru", ""},
    {"word_in_capitals", "True", ""},
    {"overlong_utf8", "\"\xc0\xaf\"", ""},
    {"utf8_surrogate", "\"\xed\xa0\x80\"", ""},
    {"beyond_unicode", "\"\xf4\x90\x80\x80\"", ""},
    {"cut_utf8", "\"\xe2\x82\"", ""},
    {"byte_order_inside", "[\xef\xbb\xbf]", ""},
});

class RefusedTest : public testing::TestWithParam<CanonicalRow> {};

TEST_P(RefusedTest, IsNoDocument) {
  const auto document = Document::parse(GetParam().json);

  ASSERT_FALSE(document.ok()) << (*document)->bytes();
  EXPECT_EQ(document.error().code, Code::malformed);
  EXPECT_FALSE(document.error().message.empty());
}

INSTANTIATE_TEST_SUITE_P(Table, RefusedTest, testing::ValuesIn(kRefused), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(Document, KeepsTheLimitOfDepthForObjectsListsAndBoth) {
  const auto nested = [](std::string_view open, std::string_view close, std::size_t depth) {
    std::string json;
    for (std::size_t i = 0; i < depth; ++i) {
      json += open;
    }
    json += "1";
    for (std::size_t i = 0; i < depth; ++i) {
      json += close;
    }
    return json;
  };
  EXPECT_TRUE(Document::parse(nested("[", "]", 500)).ok());
  EXPECT_TRUE(Document::parse(nested("{\"a\":", "}", 500)).ok());
  EXPECT_FALSE(Document::parse(nested("[", "]", 520)).ok());
  EXPECT_FALSE(Document::parse(nested("{\"a\":", "}", 520)).ok());
  EXPECT_FALSE(Document::parse(nested("[{\"a\":", "}]", 260)).ok());
}

TEST(View, AnswersEveryQuestionAboutWhatIsAbsent) {
  const View absent;

  EXPECT_EQ(absent.kind(), Kind::absent);
  EXPECT_FALSE(absent.exists());
  EXPECT_FALSE(absent["a"].find("b.c").at(3).exists());
  EXPECT_EQ(absent.size(), 0U);
  EXPECT_EQ(absent.string("x"), "x");
  EXPECT_EQ(absent.integer(7), 7);
  EXPECT_EQ(absent.number(0.5), 0.5);
  EXPECT_TRUE(absent.boolean(true));
  EXPECT_EQ(absent.raw(), "null");
  EXPECT_TRUE(absent.same_as(View()));
  for ([[maybe_unused]] const View element : absent.elements()) {
    ADD_FAILURE();
  }
  for ([[maybe_unused]] const Member& member : absent.members()) {
    ADD_FAILURE();
  }
}

TEST(View, GivesTheFallbackWhereTheTypeIsAnother) {
  const auto document = *Document::parse(R"({"s":"1","n":1,"b":true,"z":null,"l":[1],"d":1.5})");
  const View root = document->root();

  EXPECT_EQ(root["n"].string("x"), "x");
  EXPECT_EQ(root["s"].integer(7), 7);
  EXPECT_TRUE(root["s"].boolean(true));
  EXPECT_EQ(root["l"].number(0.5), 0.5);
  EXPECT_FALSE(root["z"]);
  EXPECT_TRUE(root["z"].exists());
  EXPECT_FALSE(root["s"]["a"].exists());
  EXPECT_FALSE(root["s"].at(0).exists());
  EXPECT_FALSE(root["l"].at(1).exists());
  EXPECT_FALSE(root.find("n.a").exists());
  EXPECT_EQ(root["n"].number(), 1.0);
}

TEST(View, GoesThroughMembersAndElementsInOrder) {
  const auto document = *Document::parse(R"({"a":{"deep":[1,[2]]},"b\n":2,"c":[3,{"x":4},5]})");
  std::string keys;
  for (const Member& member : document->root().members()) {
    keys += std::string(member.key) + ";";
  }
  std::string elements;
  for (const View element : document->root()["c"].elements()) {
    elements += std::string(element.raw()) + ";";
  }

  EXPECT_EQ(keys, "a;b\n;c;");
  EXPECT_EQ(elements, "3;{\"x\":4};5;");
  EXPECT_EQ(document->root()["b\n"].integer(), 2);
}

TEST(View, FindsAMemberByItsNameAndNotByItsSpelling) {
  const auto escaped = Document::parse(R"({"a\"b":1,"c":2})").value_or(nullptr);
  EXPECT_EQ(escaped->root()["a\"b"].integer(), 1);
  EXPECT_FALSE(escaped->root()["a\\\"b"].exists());
  EXPECT_FALSE(escaped->root()["a\\"].exists());
  EXPECT_FALSE(escaped->root()["d\"e"].exists());
  EXPECT_EQ(escaped->root()["c"].integer(), 2);

  const auto plain = Document::parse(R"({"a":1,"b":2})").value_or(nullptr);
  EXPECT_FALSE(plain->root()["a\":1,\"b"].exists());
  EXPECT_FALSE(plain->root()[std::string("b\":2}") + std::string(100, 'x')].exists());
}

TEST(Writer, PutsCommasWhereTheyBelong) {
  std::string out;
  Writer writer(out);
  writer.begin_object().field("a", "x").field("b", 1).key("c").begin_array();
  writer.begin_object().end_object().null().boolean(false).end_array();
  writer.field("d", true).key("e").begin_object().field("f", "y").end_object().end_object();

  EXPECT_EQ(out, R"({"a":"x","b":1,"c":[{},null,false],"d":true,"e":{"f":"y"}})");
}

TEST(Writer, EscapesWhatJsonDemandsAndNothingElse) {
  std::string text;
  for (char c = 0; c < 0x20; ++c) {
    text += c;
  }
  text += "\"\\/\x7f\xc3\xbc";
  std::string out;
  Writer(out).string(text);

  EXPECT_EQ(out,
            "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r"
            "\\u000e\\u000f\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019"
            "\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f\\\"\\\\/\x7f\xc3\xbc\"");
  EXPECT_EQ((*Document::parse(out))->root().string(), text);
}

TEST(Writer, EscapesAtEveryPlaceOfALongText) {
  for (std::size_t at = 0; at < 70; ++at) {
    std::string text(70, 'x');
    text[at] = '"';
    std::string out;
    Writer(out).string(text);
    EXPECT_EQ(out.size(), 73U) << at;
    EXPECT_EQ((*Document::parse(out))->root().string(), text) << at;
  }
}

TEST(Writer, PrintsNumbersThatReadBackTheSame) {
  for (const double value : {0.1, 1e21, 1e-7, -2.5, 123456789.0, 0x1p62, 0x1p63, 0x1p64, 5e-324}) {
    std::string out;
    Writer(out).number(value);
    const auto document = Document::parse(out);
    ASSERT_TRUE(document.ok()) << out;
    EXPECT_EQ((*document)->root().number(), value) << out;
    EXPECT_EQ((*document)->bytes(), out);
  }
  std::string out;
  Writer(out).begin_array().number(std::nan("")).number(INFINITY).number(-0.0).end_array();
  EXPECT_EQ(out, "[null,null,0]");
}

TEST(Writer, PrintsTheEndsOfTheIntegers) {
  std::string out;
  Writer(out)
      .begin_array()
      .integer(std::numeric_limits<std::int64_t>::min())
      .integer(std::numeric_limits<std::int64_t>::max())
      .unsigned_integer(std::numeric_limits<std::uint64_t>::max())
      .end_array();

  EXPECT_EQ(out, "[-9223372036854775808,9223372036854775807,18446744073709551615]");
}

struct SpliceRow {
  std::string_view json;
  std::string_view spliced;
};

TEST(Stored, IsSplicedWhereverTheTopLevelMetadataIs) {
  for (const auto& row :
       {SpliceRow{R"({"metadata":{}})", R"({"metadata":{"resourceVersion":"9"}})"},
        SpliceRow{R"({"spec":{"metadata":{"x":1}},"metadata":{"name":"a"}})",
                  R"({"spec":{"metadata":{"x":1}},"metadata":{"resourceVersion":"9","name":"a"}})"},
        SpliceRow{R"({"a":"\"metadata\":{","metadata":{"name":"a"}})",
                  R"({"a":"\"metadata\":{","metadata":{"resourceVersion":"9","name":"a"}})"}}) {
    std::string out;
    append_spliced(out, **Document::parse(row.json), Revision{9});
    EXPECT_EQ(out, row.spliced);
  }
}

TEST(Tree, ComparesByValueNotBySpelling) {
  const auto tree = [](std::string_view json) { return to_tree((*Document::parse(json))->root()); };

  EXPECT_TRUE(same_value(tree(R"({"a":1,"b":[2.0]})"), tree(R"({"b":[2],"a":1.0})")));
  EXPECT_FALSE(same_value(tree("[1,2]"), tree("[2,1]")));
  EXPECT_FALSE(same_value(tree(R"({"a":null})"), tree("{}")));
  EXPECT_FALSE(same_value(tree(R"("1")"), tree("1")));
  EXPECT_TRUE(same_value(tree("18446744073709551615"), tree("18446744073709551615")));
  EXPECT_FALSE(same_value(tree("9223372036854775807"), tree("9223372036854775806")));
}

}  // namespace
}  // namespace tetrarch::object
