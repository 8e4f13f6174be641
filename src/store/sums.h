// SPDX-License-Identifier: Apache-2.0
// Sums: what the store keeps of all objects of a resource as a whole: how many, and the sum of
// their marks. Written with every batch, in the same append, so that an object that is missing, or
// is there in an older state, is noticed although every single checksum is right.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "store/entry.h"
#include "store/journal.h"

namespace tetrarch::store {

struct Sum {
  std::uint64_t objects = 0;
  std::uint64_t marks = 0;  ///< modulo 2^64
  bool operator==(const Sum&) const = default;
};

using Sums = std::map<std::string, Sum, std::less<>>;  // by resource

/// A number that stands for one object in one state.
std::uint64_t mark_of(std::string_view resource, Place place, Revision revision);

Journal::Write encode_sum(std::string_view resource, const Sum& sum);
Result<Sum> decode_sum(std::string_view key, std::string_view value);
/// Of a key that begins with kSumPrefix.
std::string_view resource_of_sum(std::string_view key);

/// A sentence for each resource whose objects are not those that were stored.
std::vector<std::string> compare_sums(const Sums& stored, const Sums& found);

}  // namespace tetrarch::store
