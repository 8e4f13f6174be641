// SPDX-License-Identifier: Apache-2.0
#include "agent/network/nft_book.h"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"

namespace tetrarch::agent::network {

void NftBook::put_set(const std::string& name,
                      const std::string& what,
                      const std::string& declaration) {
  auto& set = wanted_.sets[name];
  set.what = what;
  set.declaration = declaration;
  touched_sets_[name];
}

void NftBook::drop_set(const std::string& name) {
  auto& touched = touched_sets_[name];
  if (const auto set = wanted_.sets.extract(name)) {
    for (const auto& [element, verdict] : set.mapped().elements) {
      touched.insert(element);  // the set may be wanted again, without it
    }
  }
}

void NftBook::put_element(const std::string& set,
                          const std::string& element,
                          const std::string& verdict) {
  const auto found = wanted_.sets.find(set);
  CHECK(found != wanted_.sets.end());
  found->second.elements.insert_or_assign(element, verdict);
  touched_sets_[set].insert(element);
}

void NftBook::drop_element(const std::string& set, const std::string& element) {
  const auto found = wanted_.sets.find(set);
  if (found != wanted_.sets.end() && found->second.elements.erase(element) > 0) {
    touched_sets_[set].insert(element);
  }
}

void NftBook::put_chain(const std::string& name, std::vector<std::string> rules) {
  wanted_.chains.insert_or_assign(name, std::move(rules));
  touched_chains_.insert(name);
}

void NftBook::drop_chain(const std::string& name) {
  wanted_.chains.erase(name);
  touched_chains_.insert(name);
}

std::string NftBook::elements_line(const char* verb,
                                   const std::string& set,
                                   const std::vector<std::string>& elements) {
  elements_changed_ += elements.size();
  return elements.empty()
             ? std::string()
             : fmt::format(
                   "{} element {} {} {{ {} }}\n", verb, table_, set, fmt::join(elements, ", "));
}

void NftBook::render_set(const std::string& name, Text& text) {
  const auto touched = std::move(touched_sets_.at(name));
  const auto wanted = wanted_.sets.find(name);
  const auto told = told_.sets.find(name);
  if (wanted == wanted_.sets.end()) {
    if (told != told_.sets.end()) {
      text.unset += fmt::format("delete {} {} {}\n", told->second.what, table_, name);
      told_.sets.erase(told);
    }
    return;
  }
  if (told == told_.sets.end()) {
    const auto& set = wanted->second;
    text.sets += fmt::format("add {} {} {} {{ {} }}\n", set.what, table_, name, set.declaration);
  }
  auto& known = told_.sets[name];
  known.what = wanted->second.what;
  known.declaration = wanted->second.declaration;
  std::vector<std::string> fewer;
  std::vector<std::string> more;
  for (const auto& element : touched) {
    const auto before = known.elements.find(element);
    const auto after = wanted->second.elements.find(element);
    const bool was_there = before != known.elements.end();
    const bool is_there = after != wanted->second.elements.end();
    if (was_there && is_there && before->second == after->second) {
      continue;
    }
    if (was_there) {
      fewer.push_back(element);
      known.elements.erase(before);
    }
    if (is_there) {
      more.push_back(after->second.empty() ? element : element + " : " + after->second);
      known.elements.insert(*after);
    }
  }
  text.fewer += elements_line("delete", name, fewer);
  text.more += elements_line("add", name, more);
}

void NftBook::render_chain(const std::string& name, Text& text) {
  const auto wanted = wanted_.chains.find(name);
  const auto told = told_.chains.find(name);
  const bool was_there = told != told_.chains.end();
  if (wanted == wanted_.chains.end()) {
    if (was_there) {
      text.unruled += fmt::format("flush chain {} {}\n", table_, name);
      text.unchained += fmt::format("delete chain {} {}\n", table_, name);
      told_.chains.erase(told);
    }
    return;
  }
  if (was_there && told->second == wanted->second) {
    return;
  }
  text.chains += fmt::format("add chain {} {}\n", table_, name);
  text.rules += was_there ? fmt::format("flush chain {} {}\n", table_, name) : std::string();
  for (const auto& rule : wanted->second) {
    text.rules += fmt::format("add rule {} {} {}\n", table_, name, rule);
  }
  told_.chains.insert_or_assign(name, wanted->second);
}

/// In an order in which nothing is named before it is there, or goes while it is named.
std::string NftBook::take_change() {
  Text text;
  for (auto& [name, elements] : touched_sets_) {
    render_set(name, text);
  }
  for (const auto& name : touched_chains_) {
    render_chain(name, text);
  }
  touched_sets_.clear();
  touched_chains_.clear();
  return text.sets + text.chains + text.rules + text.fewer + text.more + text.unruled +
         text.unchained + text.unset;
}

std::string NftBook::take_whole() {
  told_ = {};
  for (const auto& [name, set] : wanted_.sets) {
    auto& touched = touched_sets_[name];
    for (const auto& [element, verdict] : set.elements) {
      touched.insert(element);
    }
  }
  for (const auto& [name, rules] : wanted_.chains) {
    touched_chains_.insert(name);
  }
  return take_change();
}

}  // namespace tetrarch::agent::network
