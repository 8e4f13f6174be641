// SPDX-License-Identifier: Apache-2.0
// Compares our tables with the published API: schema/testdata/kubernetes_types.json has names,
// types, formats, merge keys and list types of every type that a served kind reaches
// (tools/schema_import.py reduce).
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/tree.h"
#include "schema/catalog.h"
#include "schema/openapi.h"

namespace tetrarch::schema {
namespace {

using object::Tree;
using object::TreeObject;

Tree published() {
  std::ifstream in{TETRARCH_SCHEMA_TESTDATA "/kubernetes_types.json"};
  return boost::json::parse(std::string{std::istreambuf_iterator<char>{in}, {}});
}

const Catalog& catalog() {
  static const auto loaded = Catalog::load_builtin().value();
  return *loaded;
}

Tree ours() {
  return boost::json::parse(openapi_v2_json(catalog())).as_object().at("definitions");
}

/// Everything that clients act on: type, format, reference, elements, extensions. No prose, no enum
/// of ours.
Tree bare(const Tree& schema) {
  TreeObject out;
  for (const auto& member : schema.as_object()) {
    const auto key = member.key();
    if (key == "items" || key == "additionalProperties") {
      out[key] = bare(member.value());
    } else if (key == "type" || key == "format" || key == "$ref" ||
               key.starts_with("x-kubernetes-")) {
      out[key] = member.value();
    }
  }
  return out;
}

std::set<std::string> names(const TreeObject& schema, std::string_view member) {
  std::set<std::string> out;
  if (const auto* list = schema.if_contains(member); list != nullptr && list->is_array()) {
    for (const auto& each : list->as_array()) {
      out.emplace(each.as_string());
    }
  } else if (list != nullptr) {
    for (const auto& each : list->as_object()) {
      out.emplace(each.key());
    }
  }
  return out;
}

class PublishedType : public testing::TestWithParam<std::string> {};

TEST_P(PublishedType, HasTheSameFieldsTypesMergeKeysAndListTypes) {
  static const auto theirs = published();
  static const auto mine = ours();
  const auto& wanted = theirs.as_object().at(GetParam()).as_object();
  ASSERT_TRUE(mine.as_object().contains(GetParam()));
  const auto& got = mine.as_object().at(GetParam()).as_object();

  EXPECT_EQ(names(got, "properties"), names(wanted, "properties"));
  EXPECT_EQ(names(got, "required"), names(wanted, "required"));
  EXPECT_EQ(got.contains("x-kubernetes-map-type"), wanted.contains("x-kubernetes-map-type"));
  const auto* properties = got.if_contains("properties");
  for (const auto& field : wanted.at("properties").as_object()) {
    const auto* found = properties->as_object().if_contains(field.key());
    ASSERT_NE(found, nullptr) << field.key();
    EXPECT_EQ(bare(*found), bare(field.value()))
        << field.key() << ": " << boost::json::serialize(*found) << " is not "
        << boost::json::serialize(field.value());
  }
}

std::vector<std::string> published_types() {
  std::vector<std::string> out;
  const auto theirs = published();
  for (const auto& member : theirs.as_object()) {
    // Scalars (Time, Quantity …) have no fields.
    if (!member.value().as_object().at("properties").as_object().empty()) {
      out.emplace_back(member.key());
    }
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Swagger,
                         PublishedType,
                         testing::ValuesIn(published_types()),
                         [](const auto& row) {
                           std::string name = row.param;
                           for (char& c : name) {
                             c = c == '.' || c == '-' ? '_' : c;
                           }
                           return name;
                         });

TEST(PublishedTypes, AreManyAndNoneOfOursIsMissingThere) {
  const auto theirs = published();

  EXPECT_GT(theirs.as_object().size(), 230U);
  for (const auto& type : catalog().types()) {
    const bool is_our_own = type->full_name.starts_with("dev.tetrarch.");
    EXPECT_NE(theirs.as_object().contains(type->full_name), is_our_own) << type->full_name;
  }
}

}  // namespace
}  // namespace tetrarch::schema
