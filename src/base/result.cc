// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include "base/check.h"

namespace tetrarch {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::invalid:
      return "invalid";
    case Code::malformed:
      return "malformed";
    case Code::not_found:
      return "not found";
    case Code::already_exists:
      return "already exists";
    case Code::conflict:
      return "conflict";
    case Code::precondition:
      return "precondition failed";
    case Code::unauthenticated:
      return "unauthenticated";
    case Code::forbidden:
      return "forbidden";
    case Code::exhausted:
      return "exhausted";
    case Code::too_large:
      return "too large";
    case Code::expired:
      return "expired";
    case Code::unsupported:
      return "unsupported";
    case Code::unavailable:
      return "unavailable";
    case Code::timeout:
      return "timeout";
    case Code::cancelled:
      return "cancelled";
    case Code::unimplemented:
      return "unimplemented";
    case Code::internal:
      return "internal";
  }
  CHECK(false);
  return "";
}

}  // namespace tetrarch
