// SPDX-License-Identifier: Apache-2.0
// Who owns what after updates and applies: transcripts of steps against one object, and what holds
// whatever the steps.
#include "schema/ownership.h"

#include <optional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/tree.h"
#include "schema/decode.h"
#include "schema/fields.h"

namespace tetrarch::schema {
namespace {

using object::FieldSet;
using object::ManagedEntries;
using object::View;

const Catalog& catalog() {
  static const auto loaded = [] {
    auto result = Catalog::load_builtin();
    EXPECT_TRUE(result.ok());
    return std::move(result).value();
  }();
  return *loaded;
}

/// One object and its managers, without a server around them.
class Owned {
 public:
  explicit Owned(std::string_view kind)
      : kind_(*catalog().find(kind == "Deployment" ? "apps" : "", "v1", kind)),
        ignored_(ignored_fields(kind_, "", kind_.has_subresource("status"))) {}

  /// As it is from now on.
  void update(std::string name, std::string_view json) {
    const auto fresh = read(json);
    own_update(entries_, {catalog(), kind_, root(), fresh->root(), ignored_}, manager(name));
    take(fresh);
  }

  /// "ok", or the conflict.
  std::string apply(std::string name, std::string_view json, bool is_forced = false) {
    const auto applied = read(json);
    auto entries = entries_;
    const auto fresh = own_apply(
        entries, {catalog(), kind_, root(), applied->root(), ignored_}, manager(name), {is_forced});
    if (!fresh.ok()) {
      return fresh.error().message;
    }
    entries_ = std::move(entries);
    take(read((*fresh)->bytes()));
    return "ok";
  }

  /// `manager/operation: path path …`, one line each.
  std::string owners() const {
    std::string out;
    for (const auto& entry : entries_) {
      out += (out.empty() ? "" : "\n") + entry.manager + (entry.is_apply ? "/Apply:" : "/Update:");
      entry.fields().for_each([&](FieldSet::Path path) { out += " " + object::path_text(path); });
    }
    return out;
  }

  std::string json() const { return document_ == nullptr ? "" : document_->bytes(); }

  View root() const { return document_ == nullptr ? View() : document_->root(); }

  const ManagedEntries& entries() const { return entries_; }

  const Kind& kind() const { return kind_; }

  FieldSet fields() const {
    const auto& type = *kind_.type;
    const auto all = compare_fields(type, View(), root(), {}).added;
    return with_named_fields(type, unite(all, fields_of(type, root())));
  }

 private:
  DocumentPtr read(std::string_view json) const {
    auto decoded = decode_as_given(kind_, json, Unknown::refuse);
    EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message);
    return decoded->document;
  }

  static Manager manager(std::string name) { return {std::move(name), "", "2026-11-28T00:00:00Z"}; }

  void take(DocumentPtr document) {
    // Entries may point into the old document: print and read them back, as the store does.
    managed_ = Document::from_canonical(object::print_managed(entries_));
    document_ = std::move(document);
    entries_ =
        managed_->bytes().empty() ? ManagedEntries() : object::stored_managed(managed_->root());
  }

  const Kind& kind_;
  FieldSet ignored_;
  DocumentPtr document_;
  DocumentPtr managed_;
  ManagedEntries entries_;
};

std::string data(std::string_view members) {
  return R"({"metadata":{"name":"m"},"data":{)" + std::string(members) + "}}";
}

std::string data_of(const Owned& owned) {
  return std::string(owned.root()["data"].raw());
}

TEST(Ownership, OfAnUpdateIsWhatItChanged) {
  Owned map("ConfigMap");
  map.update("a", data(R"("x":"1","y":"1")"));
  EXPECT_EQ(map.owners(), "a/Update: .data .data.x .data.y");
  map.update("b", data(R"("x":"2","y":"1","z":"1")"));
  EXPECT_EQ(map.owners(), "a/Update: .data .data.y\nb/Update: .data.x .data.z");
  map.update("a", data(R"("z":"1")"));
  EXPECT_EQ(map.owners(), "a/Update: .data\nb/Update: .data.z");
  map.update("c", data(R"("z":"1")"));
  EXPECT_EQ(map.owners(), "a/Update: .data\nb/Update: .data.z") << "nothing changed";
}

TEST(Ownership, OfAnApplyIsWhatItSays) {
  Owned map("ConfigMap");
  EXPECT_EQ(map.apply("a", data(R"("x":"1","y":"1")")), "ok");
  EXPECT_EQ(map.owners(), "a/Apply: .data.x .data.y");
  EXPECT_EQ(map.apply("b", data(R"("y":"1","z":"1")")), "ok") << "the same value is no conflict";
  EXPECT_EQ(map.owners(), "a/Apply: .data.x .data.y\nb/Apply: .data.y .data.z");
}

TEST(Ownership, WhatIsNoLongerAppliedGoesUnlessAnotherOwnsIt) {
  Owned map("ConfigMap");
  map.apply("a", data(R"("x":"1","y":"1")"));
  map.apply("b", data(R"("y":"1")"));
  map.update("u", data(R"("x":"1","y":"1","z":"1")"));
  EXPECT_EQ(map.apply("a", R"({"metadata":{"name":"m"}})"), "ok");
  EXPECT_EQ(data_of(map), R"({"y":"1","z":"1"})");
  EXPECT_EQ(map.owners(), "b/Apply: .data.y\nu/Update: .data.z");
}

TEST(Ownership, ConflictsNameEachManagerAndField) {
  Owned map("ConfigMap");
  map.apply("a", data(R"("x":"1")"));
  EXPECT_EQ(map.apply("b", data(R"("x":"2")")),
            "Apply failed with 1 conflict: conflict with \"a\": .data.x");
  map.update("kubectl-edit", data(R"("x":"1","y":"1","z":"1")"));
  EXPECT_EQ(map.apply("b", data(R"("x":"2","y":"2","z":"2")")),
            "Apply failed with 3 conflicts: conflicts with \"a\":\n- .data.x\n"
            "conflicts with \"kubectl-edit\" using v1:\n- .data.y\n- .data.z");
  EXPECT_EQ(data_of(map), R"({"x":"1","y":"1","z":"1"})");
}

TEST(Ownership, AForcedApplyTakesWhatItSays) {
  Owned map("ConfigMap");
  map.apply("a", data(R"("x":"1","y":"1")"));
  EXPECT_EQ(map.apply("b", data(R"("x":"2")"), true), "ok");
  EXPECT_EQ(map.owners(), "a/Apply: .data.y\nb/Apply: .data.x");
  EXPECT_EQ(map.apply("a", data(R"("x":"1","y":"1")")),
            "Apply failed with 1 conflict: conflict with \"b\": .data.x");
}

TEST(Ownership, AnUpdateTakesWhatItChangesFromAnApplier) {
  Owned map("ConfigMap");
  map.apply("a", data(R"("x":"1","y":"1")"));
  map.update("u", data(R"("x":"2","y":"1")"));
  EXPECT_EQ(map.owners(), "a/Apply: .data.y\nu/Update: .data.x");
  EXPECT_EQ(map.apply("a", data(R"("x":"1","y":"1")")),
            "Apply failed with 1 conflict: conflict with \"u\" using v1: .data.x");
}

TEST(Ownership, ElementsGoWithTheirLastOwner) {
  Owned pod("Pod");
  const auto with = [](std::string_view containers) {
    return R"({"metadata":{"name":"p"},"spec":{"containers":[)" + std::string(containers) + "]}}";
  };
  pod.apply("a", with(R"({"name":"x","image":"i"},{"name":"y","image":"i"})"));
  pod.apply("b", with(R"({"name":"y","tty":true})"));
  EXPECT_EQ(pod.apply("a", with(R"({"name":"x","image":"i"})")), "ok");
  EXPECT_EQ(pod.root()["spec"].raw(),
            R"({"containers":[{"image":"i","name":"x"},{"name":"y","tty":true}]})");
  EXPECT_EQ(pod.apply("b", with(R"({"name":"z"})")), "ok");
  EXPECT_EQ(pod.root()["spec"].raw(), R"({"containers":[{"image":"i","name":"x"},{"name":"z"}]})");
}

TEST(Ownership, AtomicValuesHaveOneOwner) {
  Owned service("Service");
  const auto with = [](std::string_view selector) {
    return R"({"metadata":{"name":"s"},"spec":{"selector":{)" + std::string(selector) + "}}}";
  };
  service.apply("a", with(R"("app":"x")"));
  EXPECT_EQ(service.apply("b", with(R"("app":"x","v":"1")")),
            "Apply failed with 1 conflict: conflict with \"a\": .spec.selector");
  EXPECT_EQ(service.apply("b", with(R"("v":"1")"), true), "ok");
  EXPECT_EQ(service.root()["spec"]["selector"].raw(), R"({"v":"1"})");
  EXPECT_EQ(service.owners(), "b/Apply: .spec.selector");
}

TEST(Ownership, KeepsNoFieldThatEveryObjectHas) {
  Owned map("ConfigMap");
  map.apply("a", R"({"metadata":{"name":"m","namespace":"n","uid":"1","labels":{"l":"1"}}})");
  EXPECT_EQ(map.owners(), "a/Apply: .metadata.labels.l");
  map.update("u", R"({"metadata":{"name":"m","generation":4,"labels":{"l":"1"}}})");
  EXPECT_EQ(map.owners(), "a/Apply: .metadata.labels.l");
}

TEST(Ownership, OfOtherVersionsFollowsTheObject) {
  const auto& core = *catalog().find("", "v1", "Event");
  const auto& events = *catalog().find("events.k8s.io", "v1", "Event");
  const auto old = decode_as_given(
      core, R"({"metadata":{"name":"e"},"message":"m","reason":"r"})", Unknown::refuse);
  const auto fresh = decode_as_given(
      events, R"({"metadata":{"name":"e"},"note":"n","reason":"r"})", Unknown::refuse);
  const auto old_there = decode_as_given(
      events, R"({"metadata":{"name":"e"},"note":"m","reason":"r"})", Unknown::refuse);
  const auto ignored = ignored_fields(core, "", false);
  ManagedEntries entries;
  own_update(entries, {catalog(), core, View(), old->document->root(), ignored}, {"a", "", "t"});
  const OwnedChange change{
      catalog(), events, old_there->document->root(), fresh->document->root(), ignored};
  own_update(entries, change, {"b", "", "t"});
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_FALSE(entries[0].fields().has("f:message")) << "b changed it, calling it note";
  EXPECT_TRUE(entries[0].fields().has("f:reason"));
  EXPECT_EQ(entries[1].api_version, "events.k8s.io/v1");
  EXPECT_TRUE(entries[1].fields().has("f:note"));

  entries[0].api_version = "gone/v9";
  own_update(entries, change, {"b", "", "t"});
  ASSERT_EQ(entries.size(), 1U) << "a version that is not served owns nothing";
}

TEST(Ownership, OfTheCreatorIsPrintedAsAnUpdateWouldHaveIt) {
  const auto& pod = *catalog().find("", "v1", "Pod");
  const auto decoded =
      decode(pod,
             R"({"metadata":{"name":"p","labels":{"a":"b"}},"spec":{"containers":[)"
             R"({"name":"c","image":"i","ports":[{"containerPort":80}]}]}})",
             Unknown::refuse);
  const auto ignored = ignored_fields(pod, "", true);
  const OwnedChange change{catalog(), pod, View(), decoded->document->root(), ignored};
  ManagedEntries entries;
  own_update(entries, change, {"m", "", "2026-11-28T00:00:00Z"});
  const auto printed =
      Document::from_canonical(print_creator(change, {"m", "", "2026-11-28T00:00:00Z"}));
  const auto read = object::read_managed(printed->root());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(object::print_managed(*read), object::print_managed(entries));
}

/// Steps by chance over a small space of documents: what holds after each.
class OwnershipProperty : public testing::TestWithParam<unsigned> {
 protected:
  std::string configuration() {
    std::string json = R"({"metadata":{"name":"p")" + labels() + R"(},"spec":{)";
    json += R"("containers":[)" + containers() + "]";
    if (chance()) {
      json += R"(,"nodeSelector":{"n":")" + digit() + R"("})";
    }
    if (chance()) {
      json += R"(,"securityContext":{"runAsUser":)" + digit() + "}";
    }
    return json + "}}";
  }

  bool chance() { return random_() % 2 == 0; }

  std::string digit() { return std::to_string(random_() % 3); }

  std::string labels() {
    std::string out;
    for (const auto* name : {"a", "b", "c"}) {
      if (chance()) {
        out += (out.empty() ? "\"" : ",\"") + std::string(name) + R"(":")" + digit() + "\"";
      }
    }
    return R"(,"labels":{)" + out + "}";
  }

  std::string containers() {
    std::string out;
    for (const auto* name : {"x", "y"}) {
      if (chance()) {
        out += (out.empty() ? R"({"name":")" : R"(,{"name":")") + std::string(name) + "\"";
        out += chance() ? R"(,"image":")" + digit() + "\"" : "";
        out += chance() ? R"(,"args":[")" + digit() + "\"]" : "";
        out += "}";
      }
    }
    return out;
  }

  std::mt19937 random_{GetParam()};
};

TEST_P(OwnershipProperty, HoldsWhateverIsDone) {
  Owned pod("Pod");
  for (int step = 0; step < 40; ++step) {
    const auto manager = std::string(1, static_cast<char>('a' + random_() % 3));
    const auto json = configuration();
    SCOPED_TRACE(manager + (pod.json().empty() ? " first " : " ") + json);
    if (random_() % 3 == 0) {
      pod.update("u" + manager, json);
    } else if (const auto before = pod.json(); pod.apply(manager, json, chance()) == "ok") {
      // Applying again changes nothing.
      const auto after = pod.json();
      const auto owners = pod.owners();
      ASSERT_EQ(pod.apply(manager, json), "ok");
      ASSERT_EQ(pod.json(), after);
      ASSERT_EQ(pod.owners(), owners);
    } else {
      ASSERT_EQ(pod.json(), before);
    }
    // Nobody owns what is not there, but for a map that lost its last member: decoding drops it.
    const auto maps =
        *FieldSet::decode(Document::from_canonical(R"({"f:metadata":{"f:labels":{}}})")->root());
    for (const auto& entry : pod.entries()) {
      ASSERT_TRUE(subtract(subtract(entry.fields(), pod.fields()), maps).is_empty())
          << pod.owners() << "\n"
          << pod.json();
    }
  }
  // Every applier takes back all it said: nothing of an applier is left.
  for (const auto* manager : {"a", "b", "c"}) {
    ASSERT_EQ(pod.apply(manager, R"({"metadata":{"name":"p"}})"), "ok");
  }
  for (const auto& entry : pod.entries()) {
    EXPECT_FALSE(entry.is_apply);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, OwnershipProperty, testing::Range(0U, 12U));

}  // namespace
}  // namespace tetrarch::schema
