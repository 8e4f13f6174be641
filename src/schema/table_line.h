// SPDX-License-Identifier: Apache-2.0
// One line of a schema table: its words and its trailing doc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tetrarch::schema {

struct TableLine {
  bool is_indented = false;
  std::vector<std::string> words;  ///< split at blanks outside double quotes; quotes are kept
  std::string doc;                 ///< what follows " # " outside quotes
};

/// An empty line or a comment has no words.
TableLine split_table_line(std::string_view text);
/// The word without the quotes around it, if it has them.
std::string unquoted(std::string_view word);
std::vector<std::string> split_list(std::string_view text, char separator);

}  // namespace tetrarch::schema
