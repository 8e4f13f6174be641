// SPDX-License-Identifier: Apache-2.0
// A small model of one table of nftables, for tests of its text: refuses what the kernel refuses.
// Only tests include it.
#pragma once

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace tetrarch::agent::network {

class NftModel {
 public:
  /// A batch that the kernel would refuse (an element twice, a chain deleted that something leads
  /// to) is named in `error`.
  void run(const std::string& batch) {
    std::istringstream lines(batch);
    for (std::string line; std::getline(lines, line) && error.empty();) {
      step(line);
      error += error.empty() ? "" : " in: " + line;
    }
  }

  std::map<std::string, std::vector<std::string>> chains;
  std::map<std::string, std::map<std::string, std::string>> elements;  ///< key to verdict or data
  std::string error;

 private:
  void step(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string what;
    std::string family;
    std::string table;
    std::string name;
    words >> verb >> what >> family >> table >> name;
    std::string rest;
    std::getline(words >> std::ws, rest);
    if (what == "element") {
      std::istringstream list(rest.substr(2, rest.size() - 4));
      for (std::string each; std::getline(list >> std::ws, each, ',');) {
        element(verb, name, each);
      }
    } else if (what == "set" || what == "map") {
      set(verb, name);
    } else if (what == "chain") {
      chain(verb, name);
    } else if (what == "rule") {
      rule(name, rest);
    } else if (verb == "delete") {
      chains.clear();
      elements.clear();
    }
  }

  void set(const std::string& verb, const std::string& name) {
    if (verb == "add") {
      elements[name];
    } else if (!elements.contains(name) || is_named("@" + name)) {
      error = "busy or missing set";
    } else {
      elements.erase(name);
    }
  }

  void element(const std::string& verb, const std::string& name, const std::string& text) {
    const auto colon = text.find(" : ");
    const auto key = text.substr(0, colon);
    const auto value = colon == std::string::npos ? "" : text.substr(colon + 3);
    if (!elements.contains(name)) {
      error = "no such set";
    } else if (verb == "delete") {
      error = elements[name].erase(key) == 0 ? "no such element" : "";
    } else if (!elements[name].emplace(key, value).second) {
      error = "element twice";
    } else if (value.starts_with("goto ") && !chains.contains(value.substr(5))) {
      error = "leads nowhere";
    }
  }

  void chain(const std::string& verb, const std::string& name) {
    if (verb == "add") {
      chains[name];
    } else if (!chains.contains(name)) {
      error = "no chain";
    } else if (verb == "flush") {
      chains[name].clear();
    } else if (!chains[name].empty() || is_named("jump " + name) || is_named("goto " + name) ||
               is_led_to(name)) {
      error = "busy chain";
    } else {
      chains.erase(name);
    }
  }

  void rule(const std::string& name, const std::string& text) {
    std::istringstream words(text);
    for (std::string word, before; words >> word; before = word) {
      const auto plain = word.substr(0, word.find(','));
      if ((word[0] == '@' && !elements.contains(plain.substr(1))) ||
          ((before == "jump" || before == "goto") && !chains.contains(plain))) {
        error = "names what is not there";
      }
    }
    if (!chains.contains(name)) {
      error = "no chain";
    }
    chains[name].push_back(text);
  }

  bool is_named(const std::string& what) const {
    const auto names = [&](const std::string& rule) {
      const auto at = rule.find(what);
      return at != std::string::npos &&
             (at + what.size() == rule.size() ||
              rule.find_first_of(" ,", at + what.size()) == at + what.size());
    };
    return std::any_of(chains.begin(), chains.end(), [&](const auto& chain) {
      return std::any_of(chain.second.begin(), chain.second.end(), names);
    });
  }

  bool is_led_to(const std::string& chain) const {
    return std::any_of(elements.begin(), elements.end(), [&](const auto& set) {
      return std::any_of(set.second.begin(), set.second.end(), [&](const auto& element) {
        return element.second == "goto " + chain;
      });
    });
  }
};

}  // namespace tetrarch::agent::network
