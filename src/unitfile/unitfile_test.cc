// SPDX-License-Identifier: Apache-2.0
// Names, texts, patterns and requirements of units, by table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unitfile/glob.h"
#include "unitfile/machine_metadata.h"
#include "unitfile/requirements.h"
#include "unitfile/unit_file.h"
#include "unitfile/unit_name.h"

namespace tetrarch::unitfile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

struct NameRow {
  std::string name;
  std::string says;  ///< empty: a good name
};

TEST(UnitNames, AreRefusedInFleetsWords) {
  const std::vector<NameRow> rows = {
      {"hello.service", ""},
      {"foo@1.service", ""},
      {"foo@.timer", ""},
      {"a:b-c_d.e\\x2d.mount", ""},
      {std::string(248, 'a') + ".service", ""},
      {"", "unit name cannot be empty"},
      {std::string(249, 'a') + ".service", "unit name exceeds maximum length (256)"},
      {"hello", "unit name must contain \".\""},
      {"hello.", "unit name cannot end in \".\""},
      {"hello.foo", "invalid unit type: \"foo\""},
      {"hello world.service", "invalid character ' ' in unit name"},
      {"a/b.service", "invalid character '/' in unit name"},
      {"@1.service", "unit name cannot start in \"@\""},
      {"foo@1.mount", "invalid unit type for template: \"mount\""},
  };
  for (const auto& row : rows) {
    const auto status = check_name(row.name);
    EXPECT_EQ(status.ok() ? "" : status.error().message, row.says) << row.name;
  }
}

TEST(UnitNames, ComeApart) {
  const auto instance = split_name("web.eu@a@1.service");
  EXPECT_EQ(instance.stem, "web.eu@a@1");
  EXPECT_EQ(instance.prefix, "web.eu");
  EXPECT_EQ(instance.instance, "a@1");
  EXPECT_EQ(template_of(instance), "web.eu@.service");
  EXPECT_TRUE(split_name("foo@.service").is_template());
  EXPECT_EQ(template_of(split_name("foo@.service")), "");
  EXPECT_FALSE(split_name("foo.service").is_template());
  EXPECT_EQ(split_name("foo.service").prefix, "foo");
}

TEST(UnitText, HasFleetsHash) {
  const auto options = parse(
      "[Unit]\nDescription=Hello World\n\n[Service]\n"
      "ExecStart=/bin/bash -c \"while true; do echo \\\"Hello, world\\\"; sleep 1; done\"\n");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(hash_of(*options), "e55c0aeb44ba0b68004ceb8a200e685194448b45");
}

struct TextRow {
  std::string text;
  std::string canonical;
};

TEST(UnitText, IsWrittenInOneForm) {
  const std::vector<TextRow> rows = {
      {"", ""},
      {"ignored=1\n# note\n[A]\nx=1\n", "[A]\nx=1\n"},
      {"[A]\n x = 1 \n;c\n#c \\\nstill=c\ny=\n", "[A]\nx=1\ny=\n"},
      {"[A]\nx=1\n[B]\ny=2\n[A]\nx=3\n", "[A]\nx=1\nx=3\n\n[B]\ny=2\n"},
      {"[A]\nx=one \\\n  two\ny=2\n", "[A]\nx=one \\\n  two\ny=2\n"},
      {"[A]\nx=one \\\n\ny=2\n", "[A]\nx=one \\\ny=2\n"},
      {"[A]\nx=a=b", "[A]\nx=a=b\n"},
      {"[A]\r\nx=1\r\n", "[A]\nx=1\n"},
  };
  for (const auto& row : rows) {
    const auto options = parse(row.text);
    ASSERT_TRUE(options.ok()) << row.text << options.error().message;
    EXPECT_EQ(canonical_text(*options), row.canonical) << row.text;
  }
}

TEST(UnitText, ThatCannotBeReadSaysWhy) {
  const std::vector<NameRow> rows = {
      {"[A] b\n", "found garbage after section name A: \"b\""},
      {"[A\n", "unable to find end of section"},
      {"[A]\nword\n", "unexpected newline encountered while parsing option name"},
      {"[A]\nx=" + std::string(2045, 'y') + "\n", ""},
      {"[A]\nx=" + std::string(2046, 'y') + "\n", "line too long (max 2048 bytes)"},
  };
  for (const auto& row : rows) {
    const auto options = parse(row.name);
    EXPECT_EQ(options.ok() ? "" : options.error().message, row.says);
  }
  EXPECT_FALSE(check_options({{"A", "x", std::string(3000, 'y')}}).ok());
  EXPECT_TRUE(check_options({{"A", "x", "y"}}).ok());
}

struct GlobRow {
  std::string pattern;
  std::string text;
  bool matches;
};

TEST(Globs, MatchAsGosDo) {
  const std::vector<GlobRow> rows = {
      {"foo@*.service", "foo@1.service", true},
      {"foo@*.service", "bar@1.service", false},
      {"*", "", true},
      {"*", "a/b", false},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXbYbZ", false},
      {"a?c", "abc", true},
      {"a?c", "a/c", false},
      {"[a-c]x", "bx", true},
      {"[^a-c]x", "bx", false},
      {"[^a-c]x", "dx", true},
      {"[\\-]x", "-x", true},
      {"[]a]", "]", false},
      {"[-]", "-", false},
      {"[a", "a", false},
      {"a\\", "a", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"*x[", "ax", false},
      {"", "", true},
      {"", "a", false},
      {std::string(200, '*') + "b", std::string(200, 'a'), false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(matches_glob(row.pattern, row.text), row.matches) << row.pattern << " " << row.text;
  }
}

TEST(Requirements, AreReadFromTheSection) {
  const auto found =
      read_requirements("web@eu.service",
                        {{"X-Fleet", "MachineOf", "\"a.service\" \"%p-side@%i.service\""},
                         {"X-Fleet", "Conflicts", "%p@*.service  other.*"},
                         {"X-Fleet", "X-Conflicts", "old.service"},
                         {"X-Fleet", "MachineMetadata", "\"region=%i\" \"region=us\" \"broken\""},
                         {"X-Fleet", "X-ConditionMachineMetadata", "disk=ssd"},
                         {"X-Fleet", "MachineMetadata", "a=b=c"},
                         {"X-Fleet", "Global", "true"},
                         {"X-Fleet", "Global", "no"},
                         {"X-Fleet", "Wrong", "%n"},
                         {"Service", "MachineID", "not here"}});
  EXPECT_THAT(found.peers, ElementsAre("a.service", "web-side@eu.service"));
  EXPECT_THAT(found.conflicts, ElementsAre("web@*.service", "other.*", "old.service"));
  EXPECT_THAT(found.metadata,
              UnorderedElementsAre(Pair("region", UnorderedElementsAre("eu", "us")),
                                   Pair("disk", ElementsAre("ssd"))));
  EXPECT_FALSE(found.is_global);
  EXPECT_EQ(found.machine_id, "");
  EXPECT_THAT(found.unknown_keys, ElementsAre("Wrong"));
}

TEST(Requirements, KeepTheFirstMachineAndUnknownSpecifiers) {
  const auto found = read_requirements("x.service",
                                       {{"X-Fleet", "X-ConditionMachineBootID", "%N%%H%"},
                                        {"X-Fleet", "MachineID", "second"},
                                        {"X-Fleet", "Replaces", "%n"}});
  EXPECT_EQ(found.machine_id, "x%%H%");
  EXPECT_THAT(found.replaces, ElementsAre("x.service"));
}

struct RuleRow {
  Options options;
  std::string says;
};

TEST(Requirements, ThatCannotHoldTogetherAreRefused) {
  const Option machine{"X-Fleet", "MachineID", "m"};
  const Option peer{"X-Fleet", "MachineOf", "p.service"};
  const Option conflict{"X-Fleet", "Conflicts", "c.service"};
  const Option global{"X-Fleet", "Global", "1"};
  const Option replaces{"X-Fleet", "Replaces", "r.service"};
  const std::vector<RuleRow> rows = {
      {{machine, global, {"X-Fleet", "Global", "0"}}, ""},
      {{peer, conflict}, ""},
      {{peer, {"X-Fleet", "Conflicts", "p.*"}},
       "unresolvable requirements: peer \"p.service\" matches conflict \"p.*\""},
      {{peer, {"X-Fleet", "Replaces", "p.service"}},
       "unresolvable requirements: peer \"p.service\" matches replace \"p.service\""},
      {{machine, peer}, "MachineID cannot be used with Peers"},
      {{machine, conflict}, "MachineID cannot be used with Conflicts"},
      {{machine, global}, "MachineID cannot be used with Global"},
      {{machine, replaces}, "MachineID cannot be used with Replaces"},
      {{global, peer}, "Global cannot be used with Peers"},
      {{global, replaces}, "Global cannot be used with Replaces"},
      {{conflict, replaces}, "Conflicts cannot be used with Replaces"},
      {{global, conflict}, ""},
  };
  for (const auto& row : rows) {
    const auto status = check_requirements(read_requirements("x.service", row.options));
    EXPECT_EQ(status.ok() ? "" : status.error().message, row.says);
  }
}

TEST(Requirements, ConflictBothWaysButNotWithThemselves) {
  const auto all = read_requirements("foo@1.service", {{"X-Fleet", "Conflicts", "foo@*.service"}});
  const Requirements none;
  EXPECT_TRUE(are_in_conflict("foo@1.service", all, "foo@2.service", all));
  EXPECT_TRUE(are_in_conflict("foo@2.service", none, "foo@1.service", all));
  EXPECT_TRUE(are_in_conflict("foo@1.service", all, "foo@2.service", none));
  EXPECT_FALSE(are_in_conflict("foo@1.service", all, "foo@1.service", all));
  EXPECT_FALSE(are_in_conflict("a.service", none, "b.service", none));
}

TEST(Requirements, HaveKeysOfOurs) {
  const auto read = read_requirements("web@2.service",
                                      {{"X-Fleet", "CPU", "250m"},
                                       {"X-Fleet", "Memory", "64Mi"},
                                       {"X-Fleet", "Label", "\"app=%p\" \"bare\""}});
  EXPECT_EQ(read.cpu, "250m");
  EXPECT_EQ(read.memory, "64Mi");
  const std::vector<std::pair<std::string, std::string>> labels = {{"app", "web"}, {"bare", ""}};
  EXPECT_EQ(read.labels, labels);
  EXPECT_TRUE(read.unknown_keys.empty());
}

TEST(MachineMetadata, ReadsPairsAndLeavesOutTheRest) {
  EXPECT_THAT(read_metadata(" role = web , bare, x=1,x=2"),
              UnorderedElementsAre(Pair("role", "web"), Pair("x", "2")));
}

TEST(MachineMetadata, WhatWasSetSinceIsLaidOver) {
  const auto machine =
      Document::parse(R"({"spec":{"metadata":{"role":"db","new":"1"},"hidden":["x","never"]}})");
  Metadata metadata{{"role", "web"}, {"x", "2"}, {"kept", "k"}};

  lay_over(read_overlay((*machine)->root()), metadata);

  EXPECT_THAT(metadata,
              UnorderedElementsAre(Pair("role", "db"), Pair("new", "1"), Pair("kept", "k")));
  EXPECT_TRUE(read_overlay({}).empty());
}

}  // namespace
}  // namespace tetrarch::unitfile
