// SPDX-License-Identifier: Apache-2.0
#include "schema/openapi.h"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/tree.h"
#include "schema/convert.h"
#include "schema/decode.h"
#include "schema/merge_rules.h"
#include "schema/table_line.h"

namespace tetrarch::schema {
namespace {

using object::Tree;

const Catalog& catalog() {
  static const auto loaded = Catalog::load_builtin().value();
  return *loaded;
}

Tree parsed(const std::string& json) {
  return boost::json::parse(json);
}

bool has_parameter(const Tree& operation, std::string_view name) {
  for (const auto& each : operation.at("parameters").as_array()) {
    if (each.at("name") == Tree(name)) {
      return true;
    }
  }
  return false;
}

TEST(OpenApi, SaysThatPatchKnowsFieldValidationInVersions2And3) {
  const auto v2 = parsed(openapi_v2_json(catalog()));
  const auto v3 = parsed(openapi_v3(catalog(), "apps", "v1"));

  for (const auto* document : {&v2, &v3}) {
    const auto& patch = document->at("paths")
                            .at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
                            .at("patch");
    EXPECT_TRUE(has_parameter(patch, "fieldValidation"));
    EXPECT_TRUE(has_parameter(patch, "fieldManager"));
    EXPECT_TRUE(has_parameter(patch, "force"));
    EXPECT_THAT(object::to_json(patch), testing::HasSubstr("application/apply-patch+yaml"));
    EXPECT_EQ(patch.at("x-kubernetes-group-version-kind").at("kind"), Tree("Deployment"));
    EXPECT_EQ(patch.at("x-kubernetes-action"), Tree("patch"));
  }
}

TEST(OpenApi, ResolvesEveryReferenceInEveryDocument) {
  std::vector<std::string> documents{openapi_v2_json(catalog())};
  std::set<std::pair<std::string, std::string>> versions;
  for (const auto& kind : catalog().kinds()) {
    if (!kind->is_of_any_group) {
      versions.emplace(kind->group, kind->version);
    }
  }
  for (const auto& [group, version] : versions) {
    documents.push_back(openapi_v3(catalog(), group, version));
    ASSERT_FALSE(documents.back().empty()) << group;
  }
  for (const auto& document : documents) {
    const auto root = parsed(document);
    const bool is_v2 = root.as_object().contains("swagger");
    const auto& known = is_v2 ? root.at("definitions").as_object()
                              : root.at("components").at("schemas").as_object();
    for (std::size_t at = document.find("\"$ref\":\""); at != document.npos;
         at = document.find("\"$ref\":\"", at + 1)) {
      const auto begin = at + 8;
      const auto reference = document.substr(begin, document.find('"', begin) - begin);
      EXPECT_TRUE(known.contains(reference.substr(reference.rfind('/') + 1))) << reference;
    }
  }
}

TEST(OpenApi, HasNoOperationIdTwice) {
  const auto document = openapi_v2_json(catalog());
  std::set<std::string> seen;
  constexpr std::string_view kKey = "\"operationId\":\"";

  for (std::size_t at = document.find(kKey); at != document.npos;
       at = document.find(kKey, at + 1)) {
    const auto begin = at + kKey.size();
    const auto id = document.substr(begin, document.find('"', begin) - begin);
    EXPECT_TRUE(seen.insert(id).second) << id;
  }
  EXPECT_GT(seen.size(), 150U);
}

TEST(OpenApi, KnowsNothingOfAGroupThatIsNotServed) {
  EXPECT_EQ(openapi_v3(catalog(), "extensions", "v1"), "");
}

/// Reads one field of a protobuf message: number and content (of length-delimited fields).
struct WireField {
  std::uint64_t number = 0;
  std::string_view content;
};

std::uint64_t varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) {
      break;
    }
  }
  return value;
}

std::vector<WireField> fields(std::string_view bytes) {
  std::vector<WireField> out;
  while (!bytes.empty()) {
    const auto tag = varint(bytes);
    const auto value = varint(bytes);
    WireField field{tag >> 3, {}};
    if ((tag & 7) == 2) {
      field.content = bytes.substr(0, value);
      bytes.remove_prefix(std::min<std::size_t>(value, bytes.size()));
    }
    out.push_back(field);
  }
  return out;
}

std::string_view first(std::string_view bytes, std::uint64_t number) {
  for (const auto& field : fields(bytes)) {
    if (field.number == number) {
      return field.content;
    }
  }
  return {};
}

TEST(OpenApi, WritesTheDefinitionsAsGnosticProtobuf) {
  const auto document = openapi_v2_protobuf(catalog());

  EXPECT_EQ(first(document, 1), "2.0");
  std::string_view spec;
  for (const auto& definition : fields(first(document, 9))) {
    if (first(definition.content, 1) == "io.k8s.api.core.v1.PodSpec") {
      spec = first(definition.content, 2);
    }
  }
  ASSERT_FALSE(spec.empty());
  EXPECT_EQ(first(first(spec, 22), 1), "object");
  for (const auto& property : fields(first(spec, 25))) {
    if (first(property.content, 1) == "containers") {
      const auto schema = first(property.content, 2);
      EXPECT_EQ(first(first(first(schema, 23), 1), 1),
                "#/definitions/io.k8s.api.core.v1.Container");
      EXPECT_THAT(std::string{schema}, testing::HasSubstr("x-kubernetes-patch-merge-key"));
    }
  }
  EXPECT_THAT(document, testing::HasSubstr("fieldValidation"));
}

TEST(MergeRules, KnowMergeKeysAndStrategies) {
  const auto rules = merge_rules(*catalog().find("apps", "v1", "Deployment"));
  const auto spec = rules.rules.field(rules.type, "spec");

  const auto pod = rules.rules.field(rules.rules.field(spec.type, "template").type, "spec");
  const auto containers = rules.rules.field(pod.type, "containers");
  const auto volumes = rules.rules.field(pod.type, "volumes");
  const auto tolerations = rules.rules.field(pod.type, "tolerations");

  EXPECT_TRUE(containers.is_merged);
  EXPECT_EQ(containers.merge_key, "name");
  EXPECT_EQ(rules.rules.field(containers.type, "ports").merge_key, "containerPort");
  EXPECT_TRUE(volumes.is_merged);
  EXPECT_FALSE(tolerations.is_merged);
  EXPECT_EQ(rules.rules.field(pod.type, "nonsense").type, nullptr);
}

TEST(Convert, TurnsEventsIntoTheOtherGroupAndBack) {
  const auto& core = *catalog().find("", "v1", "Event");
  const auto& events = *catalog().find("events.k8s.io", "v1", "Event");
  const auto event = decode(
      core,
      R"({"metadata":{"name":"e","namespace":"n"},"involvedObject":{"kind":"Pod"},"message":"m",
                            "reason":"r","count":3,"source":{"component":"c"},"type":"Normal",
                            "reportingComponent":"x"})",
      Unknown::refuse);

  const auto there = convert(event->document->root(), core, events);
  const auto back = convert((*there)->root(), events, core);

  EXPECT_EQ((*there)->root()["note"].string(), "m");
  EXPECT_EQ((*there)->root().find("regarding.kind").string(), "Pod");
  EXPECT_EQ((*there)->root()["deprecatedCount"].integer(), 3);
  EXPECT_EQ((*there)->root()["reportingController"].string(), "x");
  EXPECT_EQ((*back)->bytes(), event->document->bytes());
  EXPECT_EQ(decode(events, (*there)->bytes(), Unknown::refuse)->document->bytes(),
            (*there)->bytes());
}

TEST(Convert, RefusesOtherKinds) {
  const auto document = Document::from_canonical("{}");

  const auto result = convert(
      document->root(), *catalog().find("", "v1", "Pod"), *catalog().find("", "v1", "Service"));

  EXPECT_FALSE(result.ok());
}

struct TableErrorRow {
  std::string_view name;
  std::string_view text;
  std::string_view message;
};

void PrintTo(const TableErrorRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kTableErrors = std::to_array<TableErrorRow>({
    {"no_package", "type A\n", "x.schema:1: the file must begin with: package <name>"},
    {"unknown_type", "package p\ntype A\n  b  Bee\n", "x.schema:3: there is no type Bee"},
    {"field_twice",
     "package p\ntype A\n  b string\n  b string\n",
     "x.schema:4: field b is there twice"},
    {"type_twice", "package p\ntype A\ntype A\n", "x.schema:3: type p.A is there twice"},
    {"attribute",
     "package p\ntype A\n  b string often\n",
     "x.schema:3: a field has no attribute \"often\""},
    {"number", "package p\ntype A\n  b int32 min=x\n", "x.schema:3: \"x\" is no whole number"},
    {"kind_without_type",
     "package p\nkind A v1 cluster plural=as\n",
     "x.schema:2: kind A has no type of its name"},
    {"stray_line",
     "package p\n  b string\n",
     "x.schema:2: an indented line belongs to a kind or a type"},
    {"list",
     "package p\ntype A\n  b []string list=bag\n",
     "x.schema:3: a list is atomic, set or map(<keys>)"},
});

class TableErrorTest : public testing::TestWithParam<TableErrorRow> {};

TEST_P(TableErrorTest, NamesFileAndLine) {
  const auto result = Catalog::load({{"x.schema", std::string{GetParam().text}}});

  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         TableErrorTest,
                         testing::ValuesIn(kTableErrors),
                         [](const auto& row) { return std::string{row.param.name}; });

TEST(TableLine, SplitsAtBlanksOutsideQuotesAndKeepsTheDoc) {
  const auto line = split_table_line("  name  string = \"a # b\" min=1   # what it is");

  EXPECT_TRUE(line.is_indented);
  EXPECT_THAT(line.words, testing::ElementsAre("name", "string", "=", "\"a # b\"", "min=1"));
  EXPECT_EQ(line.doc, "what it is");
}

}  // namespace
}  // namespace tetrarch::schema
