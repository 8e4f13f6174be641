// SPDX-License-Identifier: Apache-2.0
// Which fields a selector may name, by kind, and what a list answers to each version and limit.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

struct FieldRow {
  std::string resource;
  std::string selector;
  std::string answer;
};

class SelectorRulesTest : public RegistryTest {
 protected:
  SelectorRulesTest() { open_namespace("default"); }

  void make_maps(std::initializer_list<const char*> names) {
    for (const std::string name : names) {
      ASSERT_TRUE(
          create("configmaps",
                 "default",
                 R"({"metadata":{"name":")" + name + R"(","labels":{"n":")" + name + R"("}}})")
              .ok());
    }
  }

  static std::vector<std::string> names(const Result<client::ListPage>& page) {
    std::vector<std::string> out;
    for (const auto& item : page->items) {
      out.push_back(item.key.name);
    }
    return out;
  }
};

TEST_F(SelectorRulesTest, EachKindOffersItsOwnFields) {
  const std::string unknown = "malformed: field label not supported: ";
  const std::string plain =
      R"(is not a known field selector: only "metadata.name", "metadata.namespace")";
  const std::vector<FieldRow> rows = {
      {"pods", "spec.nodeName=a,spec.restartPolicy!=Never,status.phase=Running", "ok"},
      {"pods", "status.podIP=1.2.3.4,status.podIPs=1.2.3.4,spec.hostNetwork=true", "ok"},
      {"pods", "spec.schedulerName=a,spec.serviceAccountName=b,status.nominatedNodeName=c", "ok"},
      {"pods", "spec.priority=1", unknown + "spec.priority"},
      {"nodes", "spec.unschedulable=true,metadata.name=n", "ok"},
      {"nodes", "metadata.namespace=x", unknown + "metadata.namespace"},
      {"namespaces", "status.phase=Active", "ok"},
      {"namespaces", "metadata.namespace=x", unknown + "metadata.namespace"},
      {"services", "spec.clusterIP=None,spec.type=NodePort", "ok"},
      {"services", "spec.selector=a", unknown + "spec.selector"},
      {"secrets", "type=Opaque", "ok"},
      {"secrets", "data.a=b", unknown + "data.a"},
      {"events", "involvedObject.name=a,reason=b,type!=Normal,source=kubelet", "ok"},
      {"events", "message=x", unknown + "message"},
      {"configmaps", "metadata.name=a,metadata.namespace!=b", "ok"},
      {"configmaps", "data.x=1", "malformed: \"data.x\" " + plain},
      {"deployments.apps", "spec.replicas=1", "malformed: \"spec.replicas\" " + plain},
      {"clusterroles.rbac.authorization.k8s.io", "rules=x", "malformed: \"rules\" " + plain},
      {"pods", "spec.nodeName", "malformed: invalid selector: 'spec.nodeName'; can't understand "},
      {"pods", "metadata.name=a=b", "malformed: invalid field selector: unescaped character in "},
  };
  for (const auto& row : rows) {
    ListOptions options;
    options.select.fields = row.selector;
    EXPECT_THAT(text_of(list(row.resource, "", options)), StartsWith(row.answer))
        << row.resource << " " << row.selector;
  }
}

TEST_F(SelectorRulesTest, LabelSelectorsThatCannotBeReadSayWhy) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"a in (b,c),!d,e!=f,g", "ok"},
      {"a notin (b)", "ok"},
      {"a in", "malformed: unable to parse requirement: found '' expected: '('"},
      {"a===b", "malformed: unable to parse requirement: found '=', expected: identifier"},
      {"-a", "malformed: unable to parse requirement: <nil>: Invalid value: \"-a\": name part "},
      {"a=-b", "malformed: unable to parse requirement: values[0][a]: Invalid value: \"-b\": "},
  };
  for (const auto& [selector, answer] : rows) {
    ListOptions options;
    options.select.labels = selector;
    EXPECT_THAT(text_of(list("configmaps", "default", options)), StartsWith(answer)) << selector;
  }
}

TEST_F(SelectorRulesTest, WhatRemainsIsToldOnlyWithoutSelectors) {
  make_maps({"a", "b", "c", "d"});
  ListOptions options;
  options.limit = 1;
  const auto all = list("configmaps", "default", options);
  EXPECT_EQ(all->remaining, 3U);
  options.select.labels = "n";
  const auto chosen = list("configmaps", "default", options);

  EXPECT_EQ(chosen->remaining, 0U);
  EXPECT_NE(chosen->continue_token, "");
  options.continue_token = chosen->continue_token;
  EXPECT_THAT(names(list("configmaps", "default", options)), ElementsAre("b"));
}

TEST_F(SelectorRulesTest, ALimitMakesAVersionExact) {
  make_maps({"a", "b"});
  const auto revision = list("configmaps", "default")->revision.number;
  ListOptions options;
  options.limit = 1;
  options.at.resource_version = std::to_string(revision);
  EXPECT_THAT(names(list("configmaps", "default", options)), ElementsAre("a"));
  make_maps({"0"});

  // Paged from that snapshot, it is still kept.
  EXPECT_THAT(names(list("configmaps", "default", options)), ElementsAre("a"));
  options.at.resource_version = std::to_string(revision - 1);
  EXPECT_EQ(text_of(list("configmaps", "default", options)),
            "expired: The resourceVersion for the provided list is too old.");
  options.limit = 0;
  EXPECT_THAT(names(list("configmaps", "default", options)), ElementsAre("0", "a", "b"));
}

TEST_F(SelectorRulesTest, AContinueTokenTakesNoVersionBesides) {
  make_maps({"a", "b"});
  ListOptions options;
  options.limit = 1;
  options.continue_token = list("configmaps", "default", options)->continue_token;
  options.at.resource_version = "1";
  EXPECT_EQ(text_of(list("configmaps", "default", options)),
            "malformed: specifying resource version is not allowed when using continue");
  options.at.match = "NotOlderThan";
  EXPECT_THAT(text_of(list("configmaps", "default", options)),
              testing::HasSubstr("resourceVersionMatch is forbidden when continue is provided"));
  options.at = {"0", ""};
  EXPECT_EQ(text_of(list("configmaps", "default", options)), "ok");
}

}  // namespace
}  // namespace tetrarch::registry
