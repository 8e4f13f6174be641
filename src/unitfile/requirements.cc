// SPDX-License-Identifier: Apache-2.0
#include "unitfile/requirements.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "unitfile/glob.h"
#include "unitfile/unit_name.h"

namespace tetrarch::unitfile {
namespace {

constexpr std::string_view kSection = "X-Fleet";
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kOldKeys = {{
    {"X-ConditionMachineID", "MachineID"},
    {"X-ConditionMachineBootID", "MachineID"},
    {"X-ConditionMachineOf", "MachineOf"},
    {"X-ConditionMachineMetadata", "MachineMetadata"},
    {"X-Conflicts", "Conflicts"},
    {"X-Global", "Global"},
}};

std::string_view present_key(std::string_view key) {
  for (const auto& [old, now] : kOldKeys) {
    if (key == old) {
      return now;
    }
  }
  return key;
}

/// `"a=b" "c=d"`: its quoted words. Anything else is one value.
std::vector<std::string> values_of(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    return {std::string(text)};
  }
  std::vector<std::string> words;
  while (true) {
    const auto begin = text.find('"');
    const auto end = begin == std::string_view::npos ? begin : text.find('"', begin + 1);
    if (end == std::string_view::npos) {
      return words;
    }
    words.emplace_back(text.substr(begin + 1, end - begin - 1));
    text.remove_prefix(end + 1);
  }
}

/// What a specifier stands for; nothing: it is none.
std::optional<std::string_view> value_of(char specifier, const UnitName& name) {
  switch (specifier) {
    case 'n':
      return name.full;
    case 'N':
      return name.stem;
    case 'p':
      return name.prefix;
    case 'i':
      return name.instance;
    default:
      return std::nullopt;
  }
}

std::string with_specifiers(std::string_view text, const UnitName& name) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool may_be_one = text[i] == '%' && i + 1 < text.size();
    const auto put = may_be_one ? value_of(text[i + 1], name) : std::nullopt;
    if (put) {
      out += *put;
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

void add_words(std::string_view text, std::vector<std::string>& words) {
  constexpr std::string_view kBlanks = " \t\r\n";
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    if (text.empty()) {
      return;
    }
    const auto end = std::min(text.find_first_of(kBlanks), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

void add_metadata(const std::string& pair, Requirements& into) {
  const auto equals = pair.find('=');
  const bool is_pair = equals != std::string::npos && equals > 0 && equals + 1 < pair.size() &&
                       pair.find('=', equals + 1) == std::string::npos;
  if (is_pair) {
    into.metadata[pair.substr(0, equals)].insert(pair.substr(equals + 1));
  }
}

/// What has no '=' is a label without a value.
void add_label(const std::string& pair, Requirements& into) {
  const auto equals = std::min(pair.find('='), pair.size());
  into.labels.emplace_back(pair.substr(0, equals),
                           equals < pair.size() ? pair.substr(equals + 1) : "");
}

bool is_true(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  constexpr std::array<std::string_view, 5> kTrue = {"true", "yes", "1", "on", "t"};
  return std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end();
}

void add_value(std::string_view key, std::string value, Requirements& into) {
  if (key == "MachineID") {
    into.machine_id = into.machine_id.empty() ? std::move(value) : into.machine_id;
  } else if (key == "MachineOf") {
    into.peers.push_back(std::move(value));
  } else if (key == "Conflicts") {
    add_words(value, into.conflicts);
  } else if (key == "Replaces") {
    add_words(value, into.replaces);
  } else if (key == "MachineMetadata") {
    add_metadata(value, into);
  } else if (key == "CPU") {
    into.cpu = std::move(value);
  } else if (key == "Memory") {
    into.memory = std::move(value);
  } else if (key == "Label") {
    add_label(value, into);
  } else {
    into.is_global = is_true(std::move(value));
  }
}

bool is_known(std::string_view key) {
  constexpr std::array<std::string_view, 9> kKeys = {"MachineID",
                                                     "MachineOf",
                                                     "Conflicts",
                                                     "Replaces",
                                                     "MachineMetadata",
                                                     "Global",
                                                     "CPU",
                                                     "Memory",
                                                     "Label"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

bool names_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
    return matches_glob(pattern, name);
  });
}

Error refused(std::string text) {
  return {Code::malformed, std::move(text)};
}

Status check_peers(const Requirements& of,
                   const std::vector<std::string>& patterns,
                   std::string_view kind) {
  for (const auto& peer : of.peers) {
    for (const auto& pattern : patterns) {
      if (matches_glob(pattern, peer)) {
        std::string text = "unresolvable requirements: peer \"";
        text.append(peer).append("\" matches ").append(kind);
        text.append(" \"").append(pattern).append("\"");
        return refused(std::move(text));
      }
    }
  }
  return ok();
}

}  // namespace

Requirements read_requirements(std::string_view unit_name, const Options& options) {
  const UnitName name = split_name(unit_name);
  Requirements found;
  for (const auto& option : options) {
    if (option.section != kSection) {
      continue;
    }
    const auto key = present_key(option.name);
    if (!is_known(key)) {
      found.unknown_keys.push_back(option.name);
      continue;
    }
    for (const auto& value : values_of(option.value)) {
      add_value(key, with_specifiers(value, name), found);
    }
  }
  return found;
}

Status check_requirements(const Requirements& of) {
  TRY_STATUS(check_peers(of, of.conflicts, "conflict"));
  TRY_STATUS(check_peers(of, of.replaces, "replace"));

  struct Rule {
    bool is_broken;
    std::string_view text;
  };

  const bool has_machine = !of.machine_id.empty();
  const std::array<Rule, 7> rules = {{
      {has_machine && !of.peers.empty(), "MachineID cannot be used with Peers"},
      {has_machine && !of.conflicts.empty(), "MachineID cannot be used with Conflicts"},
      {has_machine && of.is_global, "MachineID cannot be used with Global"},
      {has_machine && !of.replaces.empty(), "MachineID cannot be used with Replaces"},
      {of.is_global && !of.peers.empty(), "Global cannot be used with Peers"},
      {of.is_global && !of.replaces.empty(), "Global cannot be used with Replaces"},
      {!of.conflicts.empty() && !of.replaces.empty(), "Conflicts cannot be used with Replaces"},
  }};
  for (const auto& rule : rules) {
    if (rule.is_broken) {
      return refused(std::string(rule.text));
    }
  }
  return ok();
}

bool are_in_conflict(std::string_view name,
                     const Requirements& of,
                     std::string_view other_name,
                     const Requirements& other) {
  return name != other_name &&
         (names_any(of.conflicts, other_name) || names_any(other.conflicts, name));
}

}  // namespace tetrarch::unitfile
