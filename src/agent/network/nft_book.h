// SPDX-License-Identifier: Apache-2.0
// NftBook: what one table of the packet filter is to hold, against what it was last told: sets and
// maps with their elements, chains with their rules. A change is rendered from what was touched,
// however much there is. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tetrarch::agent::network {

struct NamedSet {
  std::string name;
  std::string what;  ///< "set" or "map"
  std::string declaration;
};

class NftBook {
 public:
  /// `table`: with its family, "ip tetrarch_ab12cd_policies".
  explicit NftBook(std::string table) : table_(std::move(table)) {}

  /// `declaration`: "set" or "map", and what follows the name: `type ipv4_addr;`.
  void put_set(const std::string& name, const std::string& what, const std::string& declaration);

  void put_set(const NamedSet& set) { put_set(set.name, set.what, set.declaration); }

  void drop_set(const std::string& name);
  /// `verdict` for maps. The set must be there.
  void put_element(const std::string& set,
                   const std::string& element,
                   const std::string& verdict = "");
  void drop_element(const std::string& set, const std::string& element);
  void put_chain(const std::string& name, std::vector<std::string> rules);
  void drop_chain(const std::string& name);

  /// Leads from what was told to what is wanted, as one batch; empty where nothing differs. From
  /// here on that counts as told.
  std::string take_change();
  /// Everything that is wanted, for a table with nothing in it. Counts as told.
  std::string take_whole();

  /// Elements that changes have added and deleted so far: what a test counts.
  std::size_t elements_changed() const { return elements_changed_; }

 private:
  struct Set {
    std::string what;
    std::string declaration;
    std::map<std::string, std::string> elements;
    bool operator==(const Set&) const = default;
  };

  struct State {
    std::map<std::string, Set> sets;
    std::map<std::string, std::vector<std::string>> chains;
  };

  struct Text {
    std::string sets;
    std::string chains;
    std::string rules;
    std::string fewer;  ///< elements
    std::string more;   ///< elements
    std::string unruled;
    std::string unchained;
    std::string unset;
  };

  void render_set(const std::string& name, Text& text);
  void render_chain(const std::string& name, Text& text);
  std::string elements_line(const char* verb,
                            const std::string& set,
                            const std::vector<std::string>& elements);

  const std::string table_;
  State wanted_;
  State told_;
  std::map<std::string, std::set<std::string>> touched_sets_;  ///< with their touched elements
  std::set<std::string> touched_chains_;
  std::size_t elements_changed_ = 0;
};

}  // namespace tetrarch::agent::network
