// SPDX-License-Identifier: Apache-2.0
#include "store/log_file.h"

#include <algorithm>
#include <array>

#include "store/bytes.h"

namespace tetrarch::store {
namespace {

constexpr std::size_t kBlock = std::size_t{32} << 10;
constexpr std::size_t kHead = 7;

// Types of pieces. Source: as in the header; others are not written with our settings.
constexpr std::uint8_t kWhole = 1;
constexpr std::uint8_t kFirst = 2;
constexpr std::uint8_t kLast = 4;

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_tables() {
  CrcTables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    }
    tables[0][i] = crc;
  }
  for (std::uint32_t i = 0; i < 256; ++i) {
    for (std::size_t t = 1; t < tables.size(); ++t) {
      tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    }
  }
  return tables;
}

constexpr CrcTables kTables = make_tables();

/// Eight bytes a step: a start reads some MB of log.
std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  while (bytes.size() >= 8) {
    const std::uint64_t word = get_little(bytes, 0, 8) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      crc ^= kTables[7 - i][word >> (8 * i) & 0xff];
    }
    bytes.remove_prefix(8);
  }
  for (const char c : bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return crc ^ 0xffffffffU;
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

std::optional<std::string> LogFile::next() {
  std::string record;
  std::size_t begun = at_;
  bool is_open = false;
  while (const auto piece = next_piece()) {
    const bool is_start = piece->type == kWhole || piece->type == kFirst;
    if (is_open && piece->is_behind_damage) {  // its rest is not this one
      note_damage(begun);
      is_open = false;
    }
    if (is_start == is_open) {  // a start within a record, or a rest without its start
      note_damage(is_open ? begun : piece->begin);
    }
    if (is_start) {
      begun = piece->begin;
      record.clear();
      is_open = true;
    }
    record += piece->data;
    if (is_open && (piece->type == kWhole || piece->type == kLast)) {
      return record;
    }
  }
  if (is_open) {
    note_damage(begun);
  }
  return std::nullopt;
}

/// Searches behind what is damaged, byte by byte: a flipped bit costs one record, not a block.
std::optional<LogFile::Piece> LogFile::next_piece() {
  bool is_behind_damage = false;
  while (at_ < bytes_.size()) {
    const std::size_t left = kBlock - at_ % kBlock;
    if (left < kHead) {
      at_ += left;
      continue;
    }
    if (auto piece = piece_at(at_)) {
      at_ += kHead + piece->data.size();
      piece->is_behind_damage = is_behind_damage;
      return piece;
    }
    const std::size_t solid = bytes_.find_first_not_of('\0', at_);
    if (solid == std::string::npos) {  // a file may be longer than what was written into it
      at_ = bytes_.size();
      break;
    }
    note_damage(at_);
    is_behind_damage = true;
    at_ = std::max(at_ + 1, solid < kHead ? 0 : solid - kHead + 1);
  }
  return std::nullopt;
}

std::optional<LogFile::Piece> LogFile::piece_at(std::size_t at) const {
  const std::size_t left = std::min(kBlock - at % kBlock, bytes_.size() - at);
  if (left < kHead) {
    return std::nullopt;
  }
  const std::size_t size = get_little(bytes_, at + 4, 2);
  const auto type = static_cast<std::uint8_t>(bytes_[at + 6]);
  if (type < kWhole || type > kLast || kHead + size > left) {
    return std::nullopt;
  }
  const std::string_view checked = std::string_view(bytes_).substr(at + 6, 1 + size);
  if (get_little(bytes_, at, 4) != masked_crc32c(checked)) {
    return std::nullopt;
  }
  return Piece{.type = type, .data = checked.substr(1), .begin = at};
}

void LogFile::note_damage(std::size_t at) {
  damaged_at_ = std::min(damaged_at_.value_or(at), at);
}

}  // namespace tetrarch::store
