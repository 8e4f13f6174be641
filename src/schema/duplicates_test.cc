// SPDX-License-Identifier: Apache-2.0
#include "schema/duplicates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::schema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Duplicates, AreNamedByTheirPlaceOnce) {
  EXPECT_THAT(
      duplicate_fields(R"({"a":1,"b":{"c":1,"c":2,"c":3},"l":[{},{"x":1,"x":2}],"a":2})"),
      ElementsAre(
          "duplicate field \"b.c\"", "duplicate field \"l[1].x\"", "duplicate field \"a\""));
}

TEST(Duplicates, AreFoundInAListOfOperations) {
  EXPECT_THAT(duplicate_fields(R"([{"op":"add","op":"remove","path":"/a"}])"),
              ElementsAre("duplicate field \"[0].op\""));
}

TEST(Duplicates, EqualNamesInDifferentObjectsAreNone) {
  EXPECT_THAT(duplicate_fields(R"({"a":{"b":1},"c":{"b":1},"b":1})"), IsEmpty());
}

TEST(Duplicates, WhatCannotBeReadHasNone) {
  EXPECT_THAT(duplicate_fields("{"), IsEmpty());
  EXPECT_THAT(duplicate_fields(std::string(5000, '[') + std::string(5000, ']')), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::schema
