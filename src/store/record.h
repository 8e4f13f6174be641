// SPDX-License-Identifier: Apache-2.0
// What the store's pairs of bytes in the journal are. Objects lie under "o/", the store's own
// numbers under "m/". An object's value: flags, digest, revision, tag, then the document (sealed
// where its resource is to be). Any change here needs a new kFormat and a way to read the old one.
// See docs/adr/0010-rocksdb-journal.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "object/stored.h"
#include "store/journal.h"
#include "store/store.h"

namespace tetrarch::store {

inline constexpr std::uint64_t kFormat = 2;  ///< 1 had no sums
inline constexpr std::string_view kFormatKey = "m/format";
inline constexpr std::string_view kLastKey = "m/last";  ///< revision of the last change
inline constexpr std::string_view kReservedKey =
    "m/reserved";                                         ///< none above this was ever given out
inline constexpr std::string_view kSumPrefix = "m/sum/";  ///< and a resource: see sums.h
inline constexpr std::string_view kObjectPrefix = "o/";

struct Record {
  Key key;
  std::string tag;
  Revision revision;
  std::string bytes;  ///< of the document, opened
};

std::string object_key(const Key& key);
/// None where it is no object's.
std::optional<Key> parse_key(std::string_view text);
/// "pods default/web", as messages name an object.
std::string describe(const Key& key);

/// The body is borrowed from `document`.
Result<Journal::Write> encode_object(const Key& key,
                                     std::string_view tag,
                                     Revision revision,
                                     const Document& document,
                                     const Sealing& sealing);
/// Code::internal, naming the object, where the bytes are not what was written.
Result<Record> decode_object(std::string_view key, std::string_view value, const Sealing& sealing);

Journal::Write encode_number(std::string_view key, std::uint64_t number);
Result<std::uint64_t> decode_number(std::string_view key, std::string_view value);

}  // namespace tetrarch::store
