// SPDX-License-Identifier: Apache-2.0
#include "store/damage.h"

#include <fmt/format.h>

#include "store/record.h"

namespace tetrarch::store {

Error damaged_store(std::string_view place, std::string_view what) {
  return {
      Code::internal,
      fmt::format("cannot open the store in {}: {}. Nothing was changed. `tetrarch store check` "
                  "lists what is lost, `tetrarch store restore` puts a backup in its place",
                  place,
                  what)};
}

Error refusal(std::string_view place, Error error) {
  return error.code == Code::internal ? damaged_store(place, error.message) : error;
}

std::string newer_format(std::uint64_t format) {
  return fmt::format(
      "it has format {}, which a newer version wrote; this one reads up to {}. Run "
      "the newer version",
      format,
      kFormat);
}

}  // namespace tetrarch::store
