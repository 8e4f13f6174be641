// SPDX-License-Identifier: Apache-2.0
#include "schema/table_line.h"

#include "base/trim.h"

namespace tetrarch::schema {

namespace {

constexpr std::string_view kBlanks = " \t\r";

/// Where the comment starts: a '#' at the start of a word, outside quotes.
std::size_t comment_place(std::string_view text) {
  bool in_quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_quotes && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_quotes = !in_quotes;
    } else if (text[i] == '#' && !in_quotes &&
               (i == 0 || kBlanks.find(text[i - 1]) != kBlanks.npos)) {
      return i;
    }
  }
  return text.npos;
}

std::size_t word_end(std::string_view text, std::size_t place) {
  bool in_quotes = false;
  for (; place < text.size(); ++place) {
    if (in_quotes && text[place] == '\\') {
      ++place;
    } else if (text[place] == '"') {
      in_quotes = !in_quotes;
    } else if (!in_quotes && kBlanks.find(text[place]) != kBlanks.npos) {
      break;
    }
  }
  return std::min(place, text.size());
}

}  // namespace

TableLine split_table_line(std::string_view text) {
  TableLine line;
  line.is_indented = !text.empty() && kBlanks.find(text.front()) != kBlanks.npos;
  const auto comment = comment_place(text);
  if (comment != text.npos) {
    line.doc = trim(text.substr(comment + 1), kBlanks);
    text = text.substr(0, comment);
  }
  for (std::size_t place = 0;;) {
    place = text.find_first_not_of(kBlanks, place);
    if (place == text.npos) {
      return line;
    }
    const auto end = word_end(text, place);
    line.words.emplace_back(text.substr(place, end - place));
    place = end;
  }
}

std::string unquoted(std::string_view word) {
  if (word.size() >= 2 && word.front() == '"' && word.back() == '"') {
    word = word.substr(1, word.size() - 2);
  }
  return std::string{word};
}

std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto place = text.find(separator);
    parts.emplace_back(text.substr(0, place));
    if (place == text.npos) {
      return parts;
    }
    text.remove_prefix(place + 1);
  }
}

}  // namespace tetrarch::schema
