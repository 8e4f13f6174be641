// SPDX-License-Identifier: Apache-2.0
// Which node gets what of network policies: by tables, by chance against an index made anew, and
// counted where there are many.
#include "registry/policy_index.h"

#include <functional>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/policy_document.h"

namespace tetrarch::registry {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Stored stored(std::string_view resource,
              std::string_view ns,
              std::string_view name,
              const std::string& rest) {
  const auto json = fmt::format(
      R"({{"metadata":{{"name":"{}","namespace":"{}","uid":"{}-{}"{}}})", name, ns, ns, name, rest);
  auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << json;
  return {{std::string(resource), std::string(ns), std::string(name)}, Revision{1}, *document};
}

struct PodWords {
  std::string ns = "default";
  std::string name = "p";
  std::string labels = R"("app":"web")";
  std::string node = "n1";
  std::string address = "10.42.0.5";
  std::string phase = "Running";
  bool is_host = false;
};

Stored pod(const PodWords& words) {
  return stored(
      "pods",
      words.ns,
      words.name,
      fmt::format(R"(,"labels":{{{}}}}},"spec":{{"nodeName":"{}","hostNetwork":{},"containers":)"
                  R"([{{"ports":[{{"name":"http","containerPort":8080}}]}}]}},)"
                  R"("status":{{"podIP":"{}","phase":"{}"}})",
                  words.labels,
                  words.node,
                  words.is_host,
                  words.address,
                  words.phase));
}

Stored policy(const std::string& spec,
              const std::string& name = "np",
              const std::string& ns = "default") {
  return stored(kNetworkPolicies, ns, name, fmt::format(R"(}},"spec":{})", spec));
}

Stored space(const std::string& name, const std::string& labels) {
  return stored("namespaces", "", name, fmt::format(R"(,"labels":{{{}}}}})", labels));
}

/// All that a node gets, one line each.
std::map<std::string, std::string> given(const PolicyIndex& index, const std::string& node) {
  std::map<std::string, std::string> out;
  for (const auto& key : index.documents(node)) {
    if (const auto document = index.document(node, key)) {
      out[key.resource.substr(0, key.resource.find('.')) + " " + key.ns + "/" + key.name] =
          document->root()["spec"].raw();
    }
  }
  return out;
}

std::vector<std::string> names(const PolicyIndex& index, const std::string& node) {
  std::vector<std::string> out;
  for (const auto& [name, spec] : given(index, node)) {
    out.push_back(name);
  }
  return out;
}

PolicyIndex::Listener nobody() {
  return [](const std::string&, const Key&) {};
}

struct DocumentRow {
  std::string name;
  std::string spec;
  std::string document;  ///< of the node; groups are written as their number
};

void PrintTo(const DocumentRow& row, std::ostream* out) {
  *out << row.name;
}

class PolicyDocumentTest : public testing::TestWithParam<DocumentRow> {};

TEST_P(PolicyDocumentTest, SaysWhatIsAllowed) {
  const auto reading = read_policy(policy(GetParam().spec));

  std::string text(reading.document->root()["spec"].raw());
  for (std::size_t i = 0; i < reading.groups.size(); ++i) {
    for (auto at = text.find(reading.groups[i].id); at != std::string::npos;
         at = text.find(reading.groups[i].id)) {
      text.replace(at, reading.groups[i].id.size(), std::to_string(i));
    }
  }
  EXPECT_EQ(text, GetParam().document);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    PolicyDocumentTest,
    testing::Values(
        DocumentRow{"ingress_only_by_default", R"({"podSelector":{}})", R"({"ingress":[]})"},
        DocumentRow{"egress_rules_make_it_about_egress",
                    R"({"podSelector":{},"egress":[{}]})",
                    R"({"egress":[{"any":true,"blocks":[],"groups":[],"ports":[]}],"ingress":[]})"},
        DocumentRow{"types_that_are_said_hold",
                    R"({"podSelector":{},"policyTypes":["Egress"],"ingress":[{}]})",
                    R"({"egress":[]})"},
        DocumentRow{"both_types",
                    R"({"policyTypes":["Ingress","Egress"]})",
                    R"({"egress":[],"ingress":[]})"},
        DocumentRow{"no_peers_is_anybody",
                    R"({"ingress":[{"from":[]}]})",
                    R"({"ingress":[{"any":true,"blocks":[],"groups":[],"ports":[]}]})"},
        DocumentRow{
            "blocks",
            R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}]}]})",
            R"({"ingress":[{"any":false,"blocks":[{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}],)"
            R"("groups":[],"ports":[]}]})"},
        DocumentRow{
            "equal_selectors_are_one_group",
            R"({"ingress":[{"from":[{"podSelector":{"matchLabels":{"a":"b"}}},)"
            R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]}},)"
            R"({"namespaceSelector":{},"podSelector":{"matchLabels":{"a":"b"}}}]}]})",
            R"({"ingress":[{"any":false,"blocks":[],"groups":["0","0","1"],"ports":[]}]})"},
        DocumentRow{
            "ports",
            R"({"ingress":[{"ports":[{"port":80},{"port":90,"endPort":95,"protocol":"UDP"},{"protocol":"SCTP"},{"port":"http"}]}]})",
            R"({"ingress":[{"any":true,"blocks":[],"groups":[],"ports":[{"first":80,"last":80,"protocol":"TCP"},)"
            R"({"first":90,"last":95,"protocol":"UDP"},{"protocol":"SCTP"},{"name":"http","protocol":"TCP"}]}]})"}),
    [](const auto& row) { return row.param.name; });

TEST(PolicyDocument, ANamedPortToAnybodyNeedsAllPods) {
  EXPECT_EQ(read_policy(policy(R"({"egress":[{"ports":[{"port":"http"}]}]})")).groups.size(), 1U);
  EXPECT_EQ(read_policy(policy(R"({"egress":[{"ports":[{"port":80}]}]})")).groups.size(), 0U);
  EXPECT_EQ(read_policy(policy(R"({"ingress":[{"ports":[{"port":"http"}]}]})")).groups.size(), 0U);
}

TEST(PolicyIndex, ANodeGetsPoliciesOfItsPodsAndThePeersThatTheyName) {
  PolicyIndex index(nobody());
  index.put(policy(R"({"podSelector":{"matchLabels":{"app":"web"}},"ingress":[{"from":)"
                   R"([{"podSelector":{"matchLabels":{"app":"client"}}}]}]})"));
  index.put(pod({.name = "web"}));
  index.put(pod({.name = "near", .labels = R"("app":"client")", .address = "10.42.0.6"}));
  index.put(
      pod({.name = "far", .labels = R"("app":"client")", .node = "n2", .address = "10.42.1.6"}));
  index.put(pod({.ns = "other", .name = "foreign", .labels = R"("app":"client")"}));
  index.put(pod({.name = "unnamed", .labels = R"("app":"else")"}));

  EXPECT_THAT(names(index, "n1"),
              ElementsAre("nodepolicies default/np",
                          "policypods default/far",
                          "policypods default/near",
                          "policypods default/web"));
  EXPECT_THAT(names(index, "n2"), IsEmpty());
  const auto all = given(index, "n1");
  EXPECT_THAT(
      all.at("policypods default/web"),
      HasSubstr(
          R"("groups":[],"policies":["np"],"ports":[{"containerPort":8080,"name":"http","protocol":"TCP"}],"uid":"default-web")"));
  EXPECT_THAT(all.at("policypods default/far"), HasSubstr(R"("address":"10.42.1.6")"));
  EXPECT_THAT(all.at("policypods default/far"), HasSubstr(R"("policies":[])"));
}

struct PeerRow {
  std::string name;
  std::string peer;
  std::vector<std::string> members;
};

void PrintTo(const PeerRow& row, std::ostream* out) {
  *out << row.name;
}

class PolicyPeerTest : public testing::TestWithParam<PeerRow> {};

TEST_P(PolicyPeerTest, IsThesePods) {
  PolicyIndex index(nobody());
  index.put(space("default", R"("team":"a")"));
  index.put(space("other", R"("team":"b","kind":"lab")"));
  for (const std::string ns : {"default", "other"}) {
    index.put(pod({.ns = ns, .name = "web", .labels = R"("app":"web","tier":"1")", .node = "n2"}));
    index.put(pod({.ns = ns, .name = "db", .labels = R"("app":"db")", .node = "n2"}));
  }
  index.put(pod({.name = "host", .labels = R"("app":"web")", .node = "n2", .is_host = true}));
  index.put(pod({.name = "done", .labels = R"("app":"web")", .node = "n2", .phase = "Failed"}));
  index.put(pod({.name = "new", .labels = R"("app":"web")", .node = "n2", .address = ""}));
  index.put(pod({.name = "subject", .labels = R"("is":"subject")"}));
  index.put(policy(fmt::format(
      R"({{"podSelector":{{"matchLabels":{{"is":"subject"}}}},"ingress":[{{"from":[{}]}}]}})",
      GetParam().peer)));

  std::vector<std::string> members;
  for (const auto& [name, spec] : given(index, "n1")) {
    if (name.starts_with("policypods") && spec.find(R"("groups":[])") == std::string::npos) {
      members.push_back(name.substr(name.find(' ') + 1));
    }
  }
  EXPECT_EQ(members, GetParam().members);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    PolicyPeerTest,
    testing::Values(
        PeerRow{"pods_here", R"({"podSelector":{"matchLabels":{"app":"web"}}})", {"default/web"}},
        PeerRow{"all_pods_here",
                R"({"podSelector":{}})",
                {"default/db", "default/subject", "default/web"}},
        PeerRow{"a_namespace",
                R"({"namespaceSelector":{"matchLabels":{"team":"b"}}})",
                {"other/db", "other/web"}},
        PeerRow{"every_namespace",
                R"({"namespaceSelector":{}})",
                {"default/db", "default/subject", "default/web", "other/db", "other/web"}},
        PeerRow{"both",
                R"({"namespaceSelector":{"matchExpressions":[{"key":"kind","operator":"Exists"}]},)"
                R"("podSelector":{"matchLabels":{"app":"db"}}})",
                {"other/db"}},
        PeerRow{
            "both_with_values",
            R"({"namespaceSelector":{"matchExpressions":[{"key":"team","operator":"In","values":["a","b"]}]},)"
            R"("podSelector":{"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]}})",
            {"default/db", "default/subject", "other/db"}},
        PeerRow{
            "values_in",
            R"({"podSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["db","web"]}]}})",
            {"default/db", "default/web"}},
        PeerRow{
            "values_not_in",
            R"({"podSelector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["db"]}]}})",
            {"default/subject", "default/web"}}),
    [](const auto& row) { return row.param.name; });

TEST(PolicyIndex, ANamespaceThatChangesItsLabelsChangesGroups) {
  PolicyIndex index(nobody());
  index.put(policy(
      R"({"podSelector":{},"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"team":"b"}}}]}]})"));
  index.put(pod({.name = "web"}));
  index.put(pod({.ns = "other", .name = "client", .node = "n2"}));
  EXPECT_THAT(names(index, "n1"), ElementsAre("nodepolicies default/np", "policypods default/web"));

  index.put(space("other", R"("team":"b")"));
  EXPECT_THAT(names(index, "n1"), Contains("policypods other/client"));
  index.put(space("other", R"("team":"c")"));
  EXPECT_THAT(names(index, "n1"), Not(Contains("policypods other/client")));
}

TEST(PolicyIndex, AStaticPodGoesByTheUidOfItsNode) {
  PolicyIndex index(nobody());
  index.put(policy(R"({"podSelector":{}})"));
  index.put(
      stored("pods",
             "default",
             "s",
             R"(,"annotations":{"kubernetes.io/config.mirror":"file"}},"spec":{"nodeName":"n1"})"));
  EXPECT_THAT(given(index, "n1").at("policypods default/s"), HasSubstr(R"("uid":"file")"));
}

/// What a listener has been told to look at again, kept as a node would keep it.
class Followed {
 public:
  Followed()
      : index_([this](const std::string& node, const Key& key) { dirty_.emplace(node, key); }) {}

  PolicyIndex& index() { return index_; }

  std::size_t settle() {
    for (const auto& [node, key] : dirty_) {
      if (const auto document = index_.document(node, key)) {
        known_[node][key] = std::string(document->bytes());
      } else {
        known_[node].erase(key);
      }
    }
    const auto count = dirty_.size();
    dirty_.clear();
    return count;
  }

  const std::map<Key, std::string>& known(const std::string& node) { return known_[node]; }

 private:
  std::set<std::pair<std::string, Key>> dirty_;
  std::map<std::string, std::map<Key, std::string>> known_;
  PolicyIndex index_;
};

std::map<Key, std::string> all_of(const PolicyIndex& index, const std::string& node) {
  std::map<Key, std::string> out;
  for (const auto& key : index.documents(node)) {
    if (const auto document = index.document(node, key)) {
      out[key] = std::string(document->bytes());
    }
  }
  return out;
}

class Chance {
 public:
  explicit Chance(unsigned seed) : random_(seed) {}

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  std::string labels() {
    static const std::vector<std::string> all{
        "", R"("app":"web")", R"("app":"db")", R"("app":"web","tier":"1")", R"("tier":"2")"};
    return all[below(static_cast<unsigned>(all.size()))];
  }

  std::string selector() {
    static const std::vector<std::string> all{
        "{}",
        R"({"matchLabels":{"app":"web"}})",
        R"({"matchLabels":{"app":"db"}})",
        R"({"matchExpressions":[{"key":"tier","operator":"Exists"}]})",
        R"({"matchExpressions":[{"key":"app","operator":"In","values":["db","web"]}]})",
        R"({"matchExpressions":[{"key":"app","operator":"NotIn","values":["web"]}]})"};
    return all[below(static_cast<unsigned>(all.size()))];
  }

  std::string ns() { return fmt::format("s{}", below(3)); }

  std::string peer() {
    switch (below(4)) {
      case 0:
        return fmt::format(R"({{"podSelector":{}}})", selector());
      case 1:
        return fmt::format(R"({{"namespaceSelector":{}}})", selector());
      case 2:
        return fmt::format(
            R"({{"namespaceSelector":{},"podSelector":{}}})", selector(), selector());
      default:
        return R"({"ipBlock":{"cidr":"10.0.0.0/8"}})";
    }
  }

  Stored change() {
    switch (below(6)) {
      case 0:
        return space(ns(), labels());
      case 1:
        return policy(
            fmt::format(
                R"({{"podSelector":{},"ingress":[{{"from":[{}]}}],"egress":[{{"to":[{},{}],)"
                R"("ports":[{{"port":"http"}}]}}]}})",
                selector(),
                peer(),
                peer(),
                peer()),
            fmt::format("np{}", below(4)),
            ns());
      default:
        return pod({.ns = ns(),
                    .name = fmt::format("p{}", below(6)),
                    .labels = labels(),
                    .node = below(5) == 0 ? "" : fmt::format("n{}", below(3)),
                    .address = below(4) == 0 ? "" : fmt::format("10.42.0.{}", below(9)),
                    .phase = below(6) == 0 ? "Succeeded" : "Running",
                    .is_host = below(9) == 0});
    }
  }

 private:
  std::mt19937 random_;
};

TEST(PolicyIndex, ChangesOneByOneLeadWhereAFreshIndexBegins) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    Chance chance(seed);
    Followed followed;
    std::map<Key, Stored> objects;
    for (int step = 0; step < 100; ++step) {
      const auto object = chance.change();
      if (chance.below(4) == 0) {
        objects.erase(object.key);
        followed.index().erase(object.key);
      } else {
        objects.insert_or_assign(object.key, object);
        followed.index().put(object);
      }
      followed.settle();
      PolicyIndex fresh(nobody());
      for (const auto& [key, each] : objects) {
        fresh.put(each);
      }
      for (const std::string node : {"n0", "n1", "n2"}) {
        ASSERT_EQ(followed.known(node), all_of(fresh, node))
            << "seed " << seed << " step " << step << " node " << node;
      }
    }
  }
}

TEST(PolicyIndex, APodAmongAThousandPoliciesIsToldToThoseConcernedOnly) {
  Followed followed;
  for (int i = 0; i < 1000; ++i) {
    followed.index().put(policy(
        fmt::format(R"({{"podSelector":{{"matchLabels":{{"app":"a{0}"}}}},"ingress":[{{"from":)"
                    R"([{{"podSelector":{{"matchLabels":{{"app":"a{1}"}}}}}}]}}]}})",
                    i,
                    (i + 1) % 1000),
        fmt::format("np{}", i)));
    followed.index().put(pod({.name = fmt::format("p{}", i),
                              .labels = fmt::format(R"("app":"a{}")", i),
                              .node = fmt::format("n{}", i % 10),
                              .address = fmt::format("10.42.{}.{}", i / 250, i % 250)}));
  }
  followed.settle();

  const PodWords fresh{
      .name = "fresh", .labels = R"("app":"a7")", .node = "n3", .address = "10.42.9.9"};
  followed.index().put(pod(fresh));
  // Its policy, itself and the peers of its policy on its node; itself on the node of a6.
  EXPECT_EQ(followed.settle(), 4U);
  followed.index().erase(pod(fresh).key);
  EXPECT_EQ(followed.settle(), 4U);
}

}  // namespace
}  // namespace tetrarch::registry
