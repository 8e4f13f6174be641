// SPDX-License-Identifier: Apache-2.0
// LogFile: the records of one write-ahead log of RocksDB, read without RocksDB, which takes a
// record that is damaged for the log's end. Finds the readable records behind damage too. Source:
// RocksDB wiki, "Write Ahead Log File Format": blocks of 32 KiB; a record is a masked CRC-32C of
// type and data (4 bytes), size (2), type (1), data; long ones are split, and none crosses a block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tetrarch::store {

/// CRC-32C (Castagnoli) as RocksDB masks it.
std::uint32_t masked_crc32c(std::string_view bytes);

class LogFile {
 public:
  explicit LogFile(std::string bytes) : bytes_(std::move(bytes)) {}

  /// The next whole record; none: the end.
  std::optional<std::string> next();

  /// Where the first thing lies that is no record; none so far. A log that was cut within a record
  /// has it at its end.
  std::optional<std::size_t> damaged_at() const { return damaged_at_; }

 private:
  struct Piece {
    std::uint8_t type = 0;
    std::string_view data;
    std::size_t begin = 0;
    bool is_behind_damage = false;
  };

  std::optional<Piece> piece_at(std::size_t at) const;
  std::optional<Piece> next_piece();
  void note_damage(std::size_t at);

  const std::string bytes_;
  std::size_t at_ = 0;
  std::optional<std::size_t> damaged_at_;
};

}  // namespace tetrarch::store
