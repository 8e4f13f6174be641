// SPDX-License-Identifier: Apache-2.0
// The sentence of a refusal, and which node an identity is.
#include "registry/authorizer.h"

#include <gtest/gtest.h>

namespace tetrarch::registry {
namespace {

struct TextRow {
  std::string_view name;
  Attributes asked;
  std::string_view text;
};

void PrintTo(const TextRow& row, std::ostream* out) {
  *out << row.name;
}

class ForbiddenTextTest : public testing::TestWithParam<TextRow> {};

TEST_P(ForbiddenTextTest, IsThatOfKubernetes) {
  EXPECT_EQ(forbidden_text({.user = "ann"}, GetParam().asked), GetParam().text);
}

const TextRow kTexts[] = {
    {"object",
     {.verb = "get", .resource = "pods", .ns = "shop", .name = "web"},
     "pods \"web\" is forbidden: User \"ann\" cannot get resource \"pods\" in API group \"\" in "
     "the namespace \"shop\""},
    {"collection_of_a_group",
     {.verb = "list", .group = "apps", .resource = "deployments", .ns = "shop"},
     "deployments.apps is forbidden: User \"ann\" cannot list resource \"deployments\" in API "
     "group \"apps\" in the namespace \"shop\""},
    {"cluster_scope",
     {.verb = "list", .resource = "nodes"},
     "nodes is forbidden: User \"ann\" cannot list resource \"nodes\" in API group \"\" at the "
     "cluster scope"},
    {"subresource",
     {.verb = "create", .resource = "pods", .subresource = "exec", .ns = "shop", .name = "web"},
     "pods \"web\" is forbidden: User \"ann\" cannot create resource \"pods/exec\" in API group "
     "\"\" in the namespace \"shop\""},
    {"path",
     {.verb = "get", .path = "/metrics"},
     "forbidden: User \"ann\" cannot get path \"/metrics\""},
};

INSTANTIATE_TEST_SUITE_P(Table, ForbiddenTextTest, testing::ValuesIn(kTexts), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(NodeOf, NeedsPrefixAndGroup) {
  EXPECT_EQ(node_of({.user = "system:node:n1", .groups = {"system:nodes"}}), "n1");
  EXPECT_EQ(node_of({.user = "system:node:n1", .groups = {"system:masters"}}), "");
  EXPECT_EQ(node_of({.user = "system:nodes:n1", .groups = {"system:nodes"}}), "");
  EXPECT_EQ(node_of({.user = "n1", .groups = {"system:nodes"}}), "");
}

}  // namespace
}  // namespace tetrarch::registry
