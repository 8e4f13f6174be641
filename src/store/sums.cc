// SPDX-License-Identifier: Apache-2.0
#include "store/sums.h"

#include <charconv>
#include <set>

#include <fmt/format.h>

#include "store/bytes.h"
#include "store/record.h"

namespace tetrarch::store {
namespace {

Sum get(const Sums& sums, const std::string& resource) {
  const auto at = sums.find(resource);
  return at == sums.end() ? Sum{} : at->second;
}

std::string difference(const std::string& resource, const Sum& stored, const Sum& found) {
  if (found.objects < stored.objects) {
    return fmt::format("{} of the {} {} that were stored are missing",
                       stored.objects - found.objects,
                       stored.objects,
                       resource);
  }
  if (found.objects > stored.objects) {
    return fmt::format("{} {} are there, but {} were stored: deletions are lost",
                       found.objects,
                       resource,
                       stored.objects);
  }
  return fmt::format("of {} {}, some are in an older state than was stored, or are others",
                     found.objects,
                     resource);
}

}  // namespace

std::uint64_t mark_of(std::string_view resource, Place place, Revision revision) {
  return digest(place.name, digest(place.ns, digest(resource, revision.number)));
}

Journal::Write encode_sum(std::string_view resource, const Sum& sum) {
  return {.key = fmt::format("{}{}", kSumPrefix, resource),
          .head = fmt::format("{} {}", sum.objects, sum.marks),
          .body = {}};
}

Result<Sum> decode_sum(std::string_view key, std::string_view value) {
  Sum sum;
  const char* const end = value.data() + value.size();
  const auto objects = std::from_chars(value.data(), end, sum.objects);
  const bool has_more = objects.ec == std::errc() && objects.ptr != end && *objects.ptr == ' ';
  if (has_more) {
    const auto marks = std::from_chars(objects.ptr + 1, end, sum.marks);
    if (marks.ec == std::errc() && marks.ptr == end) {
      return sum;
    }
  }
  return Error{Code::internal,
               fmt::format("the stored count of {} is damaged", resource_of_sum(key))};
}

std::string_view resource_of_sum(std::string_view key) {
  return key.substr(kSumPrefix.size());
}

std::vector<std::string> compare_sums(const Sums& stored, const Sums& found) {
  std::set<std::string> resources;
  for (const auto* sums : {&stored, &found}) {
    for (const auto& [resource, sum] : *sums) {
      resources.insert(resource);
    }
  }
  std::vector<std::string> out;
  for (const auto& resource : resources) {
    const Sum before = get(stored, resource);
    const Sum now = get(found, resource);
    if (!(before == now)) {
      out.push_back(difference(resource, before, now));
    }
  }
  return out;
}

}  // namespace tetrarch::store
