// SPDX-License-Identifier: Apache-2.0
#include "object/managed_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::object {
namespace {

ManagedEntry entry(std::string manager, bool is_apply, std::string time, std::string_view field) {
  ManagedEntry out;
  out.manager = std::move(manager);
  out.is_apply = is_apply;
  out.api_version = "v1";
  out.time = std::move(time);
  out.changed.emplace();
  out.changed->add(field);
  return out;
}

std::vector<std::string> managers_of(const std::string& printed) {
  std::vector<std::string> out;
  const auto document = Document::from_canonical(printed);
  for (const View each : document->root().elements()) {
    out.emplace_back(each["manager"].string());
  }
  return out;
}

TEST(ManagedFields, ReadWhatTheyPrint) {
  auto made = entry("m", true, "2026-01-01T00:00:00Z", "f:a");
  made.subresource = "status";
  const auto printed = print_managed({made});
  EXPECT_EQ(printed,
            R"([{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:a":{}},"manager":"m",)"
            R"("operation":"Apply","subresource":"status","time":"2026-01-01T00:00:00Z"}])");
  const auto document = Document::from_canonical(printed);
  const auto read = read_managed(document->root());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(print_managed(*read), printed);
  EXPECT_EQ(print_managed(stored_managed(document->root())), printed);
  EXPECT_EQ(print_managed({}), "");
}

TEST(ManagedFields, ComeInTheOrderOfOperationTimeAndName) {
  const auto printed = print_managed({entry("u2", false, "2026-01-02T00:00:00Z", "f:a"),
                                      entry("u1", false, "2026-01-01T00:00:00Z", "f:a"),
                                      entry("b", true, "2026-01-03T00:00:00Z", "f:a"),
                                      entry("a", true, "2026-01-03T00:00:00Z", "f:a")});
  EXPECT_THAT(managers_of(printed), testing::ElementsAre("a", "b", "u1", "u2"));
}

TEST(ManagedFields, RefuseWhatIsNoEntry) {
  for (const auto* json :
       {R"([{"manager":"m","operation":"Set","apiVersion":"v1","fieldsType":"FieldsV1"}])",
        R"([{"manager":"m","operation":"Apply","fieldsType":"FieldsV1"}])",
        R"([{"manager":"m","operation":"Apply","apiVersion":"v1"}])",
        R"([{"operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"x":{}}}])",
        R"([1])"}) {
    EXPECT_FALSE(read_managed((*Document::parse(json))->root()).ok()) << json;
  }
}

TEST(ManagedFields, TellTimesFromFields) {
  const auto list = [](std::string time, std::string_view field) {
    return Document::from_canonical(print_managed({entry("m", false, std::move(time), field)}));
  };
  const auto before = list("2026-01-01T00:00:00Z", "f:a");
  const auto later = list("2026-01-02T00:00:00Z", "f:a");
  const auto other = list("2026-01-01T00:00:00Z", "f:b");
  EXPECT_TRUE(differ_in_times_only(before->root(), later->root()));
  EXPECT_FALSE(differ_in_times_only(before->root(), other->root()));
  EXPECT_FALSE(differ_in_times_only(before->root(), View()));
}

TEST(ManagedFields, JoinTheOldestUpdatesBeyondTheBound) {
  ManagedEntries entries;
  for (int i = 0; i < 12; ++i) {
    entries.push_back(entry("u" + std::to_string(i),
                            false,
                            "2026-01-" + std::to_string(10 + i) + "T00:00:00Z",
                            "f:f" + std::to_string(i)));
  }
  entries.push_back(entry("applier", true, "2026-01-01T00:00:00Z", "f:x"));
  cap_updates(entries, 10);
  ASSERT_EQ(entries.size(), 11U);
  EXPECT_EQ(entries[0].manager, "ancient-changes");
  EXPECT_EQ(entries[0].time, "2026-01-12T00:00:00Z");
  EXPECT_TRUE(entries[0].fields().has("f:f0"));
  EXPECT_TRUE(entries[0].fields().has("f:f2"));
  EXPECT_EQ(entries[1].manager, "u3");

  // The joined entry takes in the next.
  entries.push_back(entry("late", false, "2026-02-01T00:00:00Z", "f:late"));
  cap_updates(entries, 10);
  EXPECT_EQ(entries.size(), 11U);
  EXPECT_TRUE(entries[0].fields().has("f:f3"));
}

}  // namespace
}  // namespace tetrarch::object
