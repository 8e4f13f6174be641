// SPDX-License-Identifier: Apache-2.0
// Where the files of a tar archive lie, without unpacking it: ustar, GNU's and pax's long names.
// Used by `tetrarch image push`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::app {

class TarIndex {
 public:
  struct Entry {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  /// Code::invalid: it is no tar archive, or it breaks off.
  static Result<TarIndex> open(const std::string& path);
  ~TarIndex();
  TarIndex(TarIndex&& other) noexcept;
  TarIndex& operator=(TarIndex&& other) = delete;

  /// Null: there is no such file. Symbolic and hard links are followed.
  const Entry* find(std::string_view name) const;
  /// All of a file that is no larger than that.
  Result<std::string> read(const Entry& entry, std::uint64_t size_max) const;
  /// A file piece by piece; ends at the first error of `take`.
  Status read_pieces(const Entry& entry,
                     std::size_t piece_max,
                     const std::function<Status(std::string piece)>& take) const;

 private:
  struct Header;

  explicit TarIndex(int fd) : fd_(fd) {}

  Status load();
  Result<std::string> read_at(std::uint64_t offset, std::size_t size) const;
  void add(const Header& header, std::uint64_t offset);

  int fd_;
  std::map<std::string, Entry, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> links_;
};

}  // namespace tetrarch::app
