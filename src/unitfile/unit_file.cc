// SPDX-License-Identifier: Apache-2.0
#include "unitfile/unit_file.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include <openssl/evp.h>

#include "base/check.h"
#include "base/encoding.h"

namespace tetrarch::unitfile {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

/// Hands out lines without their newline.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  bool is_at_end() const { return rest_.empty(); }

  Result<std::string_view> next() {
    const auto end = std::min(rest_.find('\n'), rest_.size());
    if (end >= kLineMax) {
      return malformed("line too long (max " + std::to_string(kLineMax) + " bytes)");
    }
    const auto line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return line;
  }

  /// Everything before the first bracket belongs to no section.
  void skip_to_section() { rest_.remove_prefix(std::min(rest_.find('['), rest_.size())); }

 private:
  std::string_view rest_;
};

bool is_comment(std::string_view line) {
  return line.starts_with('#') || line.starts_with(';');
}

/// The lines that a backslash at the end joins to the first; an empty one ends them.
Result<std::string> continued(std::string_view first, Lines& lines) {
  std::string value(first);
  while (value.ends_with('\\') && !lines.is_at_end()) {
    TRY(const auto line, lines.next());
    value += '\n';
    if (trimmed(line).empty()) {
      break;
    }
    value += line;
  }
  return std::string(trimmed(value));
}

Result<std::string> section_name(std::string_view line) {
  const auto end = line.find(']');
  if (end == std::string_view::npos) {
    return malformed("unable to find end of section");
  }
  if (const auto garbage = trimmed(line.substr(end + 1)); !garbage.empty()) {
    return malformed("found garbage after section name " + std::string(line.substr(1, end - 1)) +
                     ": \"" + std::string(garbage) + "\"");
  }
  return std::string(line.substr(1, end - 1));
}

Result<Option> read_option(const std::string& section, std::string_view line, Lines& lines) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) {
    return malformed("unexpected newline encountered while parsing option name");
  }
  TRY(auto value, continued(trimmed(line.substr(equals + 1)), lines));
  return Option{section, std::string(trimmed(line.substr(0, equals))), std::move(value)};
}

}  // namespace

Result<Options> parse(std::string_view text) {
  Options options;
  Lines lines(text);
  lines.skip_to_section();
  std::string section;
  while (!lines.is_at_end()) {
    TRY(const auto whole, lines.next());
    const auto line = trimmed(whole);
    if (line.empty()) {
      continue;
    }
    if (is_comment(line)) {
      TRY_STATUS(continued(line, lines));
    } else if (line.starts_with('[')) {
      TRY(section, section_name(line));
    } else {
      TRY(auto option, read_option(section, line, lines));
      options.push_back(std::move(option));
    }
  }
  return options;
}

std::string canonical_text(const Options& options) {
  std::vector<std::string_view> sections;
  for (const auto& option : options) {
    if (std::find(sections.begin(), sections.end(), option.section) == sections.end()) {
      sections.push_back(option.section);
    }
  }
  std::string text;
  for (const auto section : sections) {
    text += text.empty() ? "" : "\n";
    text.append("[").append(section).append("]\n");
    for (const auto& option : options) {
      if (option.section == section) {
        text.append(option.name).append("=").append(option.value).append("\n");
      }
    }
  }
  return text;
}

std::string hash_of(const Options& options) {
  const auto text = canonical_text(options);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  return hex_encode({reinterpret_cast<const char*>(digest.data()), size});
}

Status check_options(const Options& options) {
  TRY_STATUS(parse(canonical_text(options)));
  return ok();
}

}  // namespace tetrarch::unitfile
