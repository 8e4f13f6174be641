// SPDX-License-Identifier: Apache-2.0
#include "registry/policy_document.h"

#include <algorithm>
#include <array>

#include "object/writer.h"
#include "trust/sha256.h"

namespace tetrarch::registry {

namespace {

using object::LabelSelector;
using object::View;
using object::Writer;

/// Absent: everything, as in a peer that says one of two selectors.
LabelSelector selector_or_all(View selector) {
  return selector ? LabelSelector::from_object(selector).value_or(LabelSelector::nothing())
                  : LabelSelector();
}

std::string text_of(const LabelSelector& selector) {
  return selector.is_nothing() ? "nothing" : "(" + selector.text() + ")";
}

GroupSpec named(GroupSpec group) {
  const auto text = group.ns + " " + text_of(group.namespaces) + " " + text_of(group.pods);
  constexpr std::size_t kIdLength = 32;  // 128 bits: nobody finds two that are equal
  group.id = trust::sha256_hex(text).substr(0, kIdLength);
  return group;
}

template <class Check>
bool has_one(View list, const Check& check) {
  for (const auto each : list.elements()) {
    if (check(each)) {
      return true;
    }
  }
  return false;
}

class Reading {
 public:
  explicit Reading(const Stored& policy) : policy_(policy), spec_(policy.root()["spec"]) {}

  PolicyReading take() {
    out_.pods = selector_or_all(spec_["podSelector"]);
    std::string json;
    Writer writer(json);
    writer.begin_object();
    writer.field("apiVersion", "network.tetrarch.dev/v1").field("kind", "NodePolicy");
    writer.key("metadata").begin_object();
    writer.field("name", policy_.key.name).field("namespace", policy_.key.ns).end_object();
    writer.key("spec").begin_object();
    for (const auto& [type, member, peers] : kDirections) {
      if (has(type)) {
        write_rules(writer, member, peers);
      }
    }
    writer.end_object().end_object();
    out_.document = Document::from_canonical(std::move(json));
    return std::move(out_);
  }

 private:
  struct Direction {
    std::string_view type;
    std::string_view member;
    std::string_view peers;
  };

  static constexpr std::array<Direction, 2> kDirections{
      {{"Egress", "egress", "to"}, {"Ingress", "ingress", "from"}}};

  /// Source: NetworkPolicySpec.policyTypes: left out, a policy is about what comes in, and about
  /// what goes out if it has rules for that.
  bool has(std::string_view type) const {
    const auto types = spec_["policyTypes"];
    if (types.size() == 0) {
      return type == "Ingress" || spec_["egress"].size() > 0;
    }
    return has_one(types, [&](View each) { return each.string() == type; });
  }

  void write_rules(Writer& writer, std::string_view member, std::string_view peers) {
    writer.key(member).begin_array();
    for (const auto rule : spec_[member].elements()) {
      writer.begin_object();
      write_peers(writer, rule[peers]);
      write_ports(writer, rule["ports"]);
      writer.end_object();
      if (member == "egress" && needs_all_pods(rule)) {
        note(named({.id = "", .ns = "", .namespaces = {}, .pods = {}}));
      }
    }
    writer.end_array();
  }

  /// A named port is a number of the pod that is spoken to; without peers that may be any pod.
  static bool needs_all_pods(View rule) {
    const auto is_named = [](View port) { return port["port"].is_string(); };
    const auto is_block = [](View peer) { return bool(peer["ipBlock"]); };
    return has_one(rule["ports"], is_named) &&
           (rule["to"].size() == 0 || has_one(rule["to"], is_block));
  }

  void write_peers(Writer& writer, View peers) {
    writer.field("any", peers.size() == 0);
    writer.key("blocks").begin_array();
    for (const auto peer : peers.elements()) {
      if (peer["ipBlock"]) {
        writer.view(peer["ipBlock"]);
      }
    }
    writer.end_array();
    writer.key("groups").begin_array();
    for (const auto peer : peers.elements()) {
      if (!peer["ipBlock"]) {
        writer.string(note(group_of(peer)));
      }
    }
    writer.end_array();
  }

  GroupSpec group_of(View peer) const {
    const bool is_here = !peer["namespaceSelector"];
    return named({.id = "",
                  .ns = is_here ? policy_.key.ns : "",
                  .namespaces = selector_or_all(peer["namespaceSelector"]),
                  .pods = selector_or_all(peer["podSelector"])});
  }

  std::string note(GroupSpec group) {
    auto id = group.id;
    const auto is_same = [&](const GroupSpec& known) { return known.id == id; };
    if (std::none_of(out_.groups.begin(), out_.groups.end(), is_same)) {
      out_.groups.push_back(std::move(group));
    }
    return id;
  }

  static void write_ports(Writer& writer, View ports) {
    writer.key("ports").begin_array();
    for (const auto each : ports.elements()) {
      const auto port = each["port"];
      writer.begin_object();
      if (port.is_number()) {
        writer.field("first", port.integer());
        writer.field("last", each["endPort"].integer(port.integer()));
      } else if (port.is_string()) {
        writer.field("name", port.string());
      }
      writer.field("protocol", each["protocol"].string("TCP")).end_object();
    }
    writer.end_array();
  }

  const Stored& policy_;
  const View spec_;
  PolicyReading out_;
};

}  // namespace

PolicyReading read_policy(const Stored& policy) {
  return Reading(policy).take();
}

}  // namespace tetrarch::registry
