// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/negotiate.h"

#include <array>

#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

struct AcceptRow {
  std::string_view name;
  std::string_view accept;
  std::string_view expected;  ///< form and meta version; empty: refused
};

void PrintTo(const AcceptRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kAccepts = std::to_array<AcceptRow>({
    {"absent", "", "object"},
    {"anything", "*/*", "object"},
    {"json", "application/json", "object"},
    {"json_with_charset", "application/json; charset=utf-8", "object"},
    {"typed_client", "application/vnd.kubernetes.protobuf,application/json", "object"},
    {"kubectl_get",
     "application/json;as=Table;v=v1;g=meta.k8s.io,application/"
     "json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
     "table v1"},
    {"old_table", "application/json;as=Table;v=v1beta1;g=meta.k8s.io", "table v1beta1"},
    {"metadata", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "metadata v1"},
    {"metadata_informer",
     "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
     "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
     "metadata v1"},
    {"by_quality",
     "application/json;as=Table;v=v1;g=meta.k8s.io;q=0.5,application/json;q=0.9",
     "object"},
    {"unknown_form_then_json",
     "application/json;as=Nothing;v=v1;g=meta.k8s.io,application/json",
     "object"},
    {"only_protobuf", "application/vnd.kubernetes.protobuf", ""},
    {"only_unknown_form", "application/json;as=Nothing;v=v1;g=meta.k8s.io", ""},
    {"only_text", "text/html", ""},
});

std::string describe(const std::optional<Representation>& found) {
  if (!found) {
    return "";
  }
  switch (found->form) {
    case Form::object:
      return "object";
    case Form::table:
      return "table " + found->meta_version;
    case Form::metadata:
      return "metadata " + found->meta_version;
  }
  return "";
}

class AcceptTest : public testing::TestWithParam<AcceptRow> {};

TEST_P(AcceptTest, ChoosesTheForm) {
  EXPECT_EQ(describe(negotiate(GetParam().accept)), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Table, AcceptTest, testing::ValuesIn(kAccepts), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Accept, WhatIsNeverStoredHasNoTable) {
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io";

  EXPECT_EQ(describe(negotiate(table, false)), "");
  EXPECT_EQ(describe(negotiate(table + ",application/json", false)), "object");
}

TEST(MediaType, IsLowerCaseWithoutParameters) {
  EXPECT_EQ(media_type("Application/JSON ; charset=utf-8"), "application/json");
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
