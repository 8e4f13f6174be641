// SPDX-License-Identifier: Apache-2.0
#include "object/yaml.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "object/document.h"
#include "object/writer.h"
#include "object/yaml_scalar.h"

namespace tetrarch::object {

namespace {

// Deeper than any object of ours, and than the parser of JSON goes (document.h).
constexpr std::uint32_t kDepthMax = 500;
// What aliases may make of a document: several times the largest body.
constexpr std::size_t kMembersMax = 1'000'000;
constexpr std::size_t kBytesMax = std::size_t{16} << 20U;
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

enum class NodeKind : std::uint8_t { scalar, list, map };

struct YamlNode {
  NodeKind kind = NodeKind::scalar;
  std::uint32_t depth = 0;
  std::string text = {};  ///< of a scalar: JSON
  std::vector<std::uint32_t> children = {};
  std::vector<std::string> keys = {};  ///< of a map, beside children
};

std::string text_json(std::string_view text) {
  std::string out;
  Writer(out).string(text);
  return out;
}

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Match(Cases...) -> Match<Cases...>;

/// Whether a scalar of this tag is read as plain ones are.
bool is_plain(std::string_view tag) {
  if (tag.empty() || tag == "?") {
    return true;
  }
  if (!tag.starts_with(kTagPrefix)) {
    return false;
  }
  tag.remove_prefix(kTagPrefix.size());
  return tag == "int" || tag == "float" || tag == "bool" || tag == "null";
}

/// Empty: JSON has no such value.
std::string scalar_json(std::string_view text, bool is_plain) {
  if (!is_plain) {
    return text_json(text);
  }
  std::string out;
  Writer writer(out);
  std::visit(Match{[&](std::monostate) { writer.string(text); },
                   [&](YamlNull) { writer.null(); },
                   [&](bool value) { writer.boolean(value); },
                   [&](std::int64_t value) { writer.integer(value); },
                   [&](std::uint64_t value) { writer.unsigned_integer(value); },
                   [&](double value) { writer.number(value); },
                   [](YamlNoNumber) {}},
             resolve_yaml(text));
  return out;
}

/// Builds nodes from the parser's events; after the first fault it takes no more. Nodes name each
/// other by their places, so that however they are nested nothing recurses when they go.
class YamlBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    OnScalar(mark, "", anchor, "");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = anchors_.find(anchor);
    if (at == anchors_.end()) {
      refuse(mark, "an anchor's value contains itself");
    }
    if (is_faulty()) {
      return;
    }
    has_aliases_ = true;
    place(mark, at->second);
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    auto json = scalar_json(value, is_plain(tag));
    if (json.empty()) {
      refuse(mark, value + " is no number in JSON");
    }
    if (is_faulty()) {
      return;
    }
    if (is_key_next()) {
      take_key(mark, {std::move(json), value, is_plain(tag) && value == "<<"});
    } else {
      place(mark, add({NodeKind::scalar, 0, std::move(json)}, anchor));
    }
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& /*tag*/,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, NodeKind::list, anchor);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& /*tag*/,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, NodeKind::map, anchor);
  }

  void OnMapEnd() override { close(); }

  Result<std::string> print() {
    std::string out;
    Writer writer(out);
    if (!is_faulty() && nodes_.empty()) {
      writer.null();
    } else if (!is_faulty()) {
      print(writer, nodes_[root_], out);
    }
    if (is_faulty()) {
      return Error{Code::malformed, "yaml: " + fault_};
    }
    return out;
  }

 private:
  struct Open {
    YAML::Mark mark;
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::string key = {};
    bool has_key = false;
    bool is_merge = false;
    std::vector<std::uint32_t> merged = {};  ///< values of `<<`
  };

  struct Key {
    std::string json;
    std::string text;
    bool is_merge = false;
  };

  bool is_faulty() const { return !fault_.empty(); }

  void refuse(const YAML::Mark& mark, std::string_view what) {
    if (fault_.empty()) {
      fault_ = fmt::format("line {}: {}", mark.line + 1, what);
    }
  }

  bool is_key_next() const {
    return !open_.empty() && open_.back().node.kind == NodeKind::map && !open_.back().has_key;
  }

  void take_key(const YAML::Mark& mark, Key key) {
    auto& map = open_.back();
    map.has_key = true;
    map.is_merge = key.is_merge;
    if (key.json == "null") {
      refuse(mark, "a key must not be null");
    }
    map.key = key.json.front() == '"' ? std::move(key.text) : std::move(key.json);
  }

  void open(const YAML::Mark& mark, NodeKind kind, YAML::anchor_t anchor) {
    if (is_key_next()) {
      refuse(mark, "a key must be a scalar");
    }
    if (!is_faulty()) {
      open_.push_back({mark, {kind}, anchor});
    }
  }

  void close() {
    if (is_faulty()) {
      return;
    }
    auto done = std::move(open_.back());
    open_.pop_back();
    if (done.node.kind == NodeKind::map) {
      for (const auto merged : done.merged) {
        merge(done, nodes_[merged]);
      }
    }
    place(done.mark, add(std::move(done.node), done.anchor));
  }

  /// Members of a merged map stand back behind the map's own and those merged before.
  void merge(Open& into, const YamlNode& from) {
    if (from.kind != NodeKind::map) {
      refuse(into.mark, "map merge requires map or sequence of maps as the value");
    }
    auto& node = into.node;
    for (std::size_t i = 0; i < from.keys.size() && !is_faulty(); ++i) {
      if (std::find(node.keys.begin(), node.keys.end(), from.keys[i]) == node.keys.end()) {
        node.keys.push_back(from.keys[i]);
        node.children.push_back(from.children[i]);
      }
      count(into.mark, node.keys.size());
    }
  }

  /// Bounds the work that aliases make.
  void count(const YAML::Mark& mark, std::size_t more) {
    members_ += more;
    if (members_ > kMembersMax) {
      refuse(mark, "document contains excessive aliasing");
    }
  }

  std::uint32_t add(YamlNode node, YAML::anchor_t anchor) {
    for (const auto child : node.children) {
      node.depth = std::max(node.depth, nodes_[child].depth + 1);
    }
    if (node.depth > kDepthMax) {
      fault_ = "the document is nested too deeply";
    }
    nodes_.push_back(std::move(node));
    const auto place = static_cast<std::uint32_t>(nodes_.size() - 1);
    if (anchor != 0) {
      anchors_[anchor] = place;
    }
    return place;
  }

  void place(const YAML::Mark& mark, std::uint32_t node) {
    if (open_.empty()) {
      root_ = node;
      return;
    }
    auto& around = open_.back();
    if (around.node.kind == NodeKind::list) {
      around.node.children.push_back(node);
      return;
    }
    if (!around.has_key) {
      take_alias_key(mark, node);
      return;
    }
    around.has_key = false;
    if (!around.is_merge) {
      around.node.keys.push_back(std::move(around.key));
      around.node.children.push_back(node);
    } else if (nodes_[node].kind == NodeKind::list) {
      const auto& all = nodes_[node].children;
      around.merged.insert(around.merged.end(), all.begin(), all.end());
    } else {
      around.merged.push_back(node);
    }
  }

  /// An alias as a key is the text of what it stands for.
  void take_alias_key(const YAML::Mark& mark, std::uint32_t node) {
    const auto& named = nodes_[node];
    if (named.kind != NodeKind::scalar) {
      refuse(mark, "a key must be a scalar");
      return;
    }
    const auto text = Document::from_canonical(named.text);
    take_key(mark, {named.text, std::string(text->root().string())});
  }

  void print(Writer& writer, const YamlNode& node, const std::string& out) {
    if (has_aliases_ && out.size() > kBytesMax) {
      fault_ = "document contains excessive aliasing";
    }
    if (is_faulty()) {
      return;
    }
    switch (node.kind) {
      case NodeKind::scalar:
        writer.raw(node.text);
        break;
      case NodeKind::list:
        writer.begin_array();
        for (const auto child : node.children) {
          print(writer, nodes_[child], out);
        }
        writer.end_array();
        break;
      case NodeKind::map:
        writer.begin_object();
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
          writer.key(node.keys[i]);
          print(writer, nodes_[node.children[i]], out);
        }
        writer.end_object();
        break;
    }
  }

  std::vector<YamlNode> nodes_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::uint32_t> anchors_;
  std::string fault_;
  std::uint32_t root_ = 0;
  std::size_t members_ = 0;
  bool has_aliases_ = false;
};

bool looks_like_json(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
}

}  // namespace

Result<std::string> json_of_yaml(std::string_view yaml) {
  if (looks_like_json(yaml) && Document::parse(yaml).ok()) {
    return std::string(yaml);
  }
  try {
    std::istringstream stream{std::string(yaml)};
    YAML::Parser parser(stream);
    YamlBuilder builder;
    parser.HandleNextDocument(builder);
    return builder.print();
  } catch (const YAML::Exception& why) {
    return Error{Code::malformed, fmt::format("yaml: line {}: {}", why.mark.line + 1, why.msg)};
  }
}

}  // namespace tetrarch::object
