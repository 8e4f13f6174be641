// SPDX-License-Identifier: Apache-2.0
#include "store/log_file.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/bytes.h"

namespace tetrarch::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kBlock = 32'768;

/// As RocksDB writes it.
void append(std::string& log, std::string_view record) {
  bool is_first = true;
  do {
    std::size_t left = kBlock - log.size() % kBlock;
    if (left < 7) {
      log.append(left, '\0');
      left = kBlock;
    }
    const std::string_view part = record.substr(0, left - 7);
    record.remove_prefix(part.size());
    const bool is_last = record.empty();
    const int type = is_first && is_last ? 1 : is_first ? 2 : is_last ? 4 : 3;
    const std::string checked = static_cast<char>(type) + std::string(part);
    put_little(log, masked_crc32c(checked), 4);
    put_little(log, part.size(), 2);
    log += checked;
    is_first = false;
  } while (!record.empty());
}

std::vector<std::string> read(std::string log, std::optional<std::size_t>* damaged_at = nullptr) {
  LogFile file(std::move(log));
  std::vector<std::string> records;
  while (auto record = file.next()) {
    records.push_back(record->size() > 100 ? std::to_string(record->size()) : *record);
  }
  if (damaged_at != nullptr) {
    *damaged_at = file.damaged_at();
  }
  return records;
}

// Source: RFC 3720, appendix B.4, and the mask of RocksDB, util/crc32c.h.
TEST(LogFileTest, ChecksumsAreThoseOfRocksDb) {
  const std::uint32_t crc = 0xE3069283U;
  EXPECT_EQ(masked_crc32c("123456789"), ((crc >> 15) | (crc << 17)) + 0xa282ead8U);
  const std::uint32_t zeros = 0x8A9136AAU;
  EXPECT_EQ(masked_crc32c(std::string(32, '\0')), ((zeros >> 15) | (zeros << 17)) + 0xa282ead8U);
}

TEST(LogFileTest, ReadsRecordsOfEverySizeOverBlocks) {
  std::string log;
  append(log, "a");
  append(log, std::string(kBlock - 8 - 7 - 3, 'b'));  // leaves three bytes, which are padding
  append(log, "");
  append(log, std::string(100'000, 'c'));
  append(log, "d");
  std::optional<std::size_t> damaged_at;
  EXPECT_THAT(read(log, &damaged_at), ElementsAre("a", "32750", "", "100000", "d"));
  EXPECT_FALSE(damaged_at);
}

TEST(LogFileTest, AFlippedBitCostsItsRecordOnly) {
  std::string log;
  append(log, "first");
  const std::size_t second = log.size();
  append(log, "second");
  append(log, "third");
  for (std::size_t at = second; at < second + 7 + 6; ++at) {
    std::string bad = log;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    std::optional<std::size_t> damaged_at;
    EXPECT_THAT(read(bad, &damaged_at), ElementsAre("first", "third")) << at;
    EXPECT_EQ(damaged_at, second);
  }
}

TEST(LogFileTest, DamageInALongRecordJoinsNoHalves) {
  std::string log;
  append(log, std::string(100'000, 'x'));
  append(log, "next");
  log[50'000] = 'y';
  std::optional<std::size_t> damaged_at;
  EXPECT_THAT(read(log, &damaged_at), ElementsAre("next"));
  EXPECT_EQ(damaged_at, 0U);
}

TEST(LogFileTest, ACutRecordIsDamageAtItsBeginning) {
  std::string log;
  append(log, "first");
  const std::size_t second = log.size();
  append(log, std::string(40'000, 'x'));
  for (std::size_t size = second + 1; size < log.size(); size += 1'999) {
    std::optional<std::size_t> damaged_at;
    EXPECT_THAT(read(log.substr(0, size), &damaged_at), ElementsAre("first"));
    EXPECT_EQ(damaged_at, second) << size;
  }
}

TEST(LogFileTest, ZerosAtTheEndAreNoDamageAndInTheMiddleTheyAre) {
  std::string log;
  append(log, "first");
  std::optional<std::size_t> damaged_at;
  EXPECT_THAT(read(log + std::string(100'000, '\0'), &damaged_at), ElementsAre("first"));
  EXPECT_FALSE(damaged_at);

  const std::size_t hole = log.size();
  log.append(200'000, '\0');
  append(log, "behind");
  EXPECT_THAT(read(log, &damaged_at), ElementsAre("first", "behind"));
  EXPECT_EQ(damaged_at, hole);
  EXPECT_THAT(read(std::string(50'000, '\0')), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::store
