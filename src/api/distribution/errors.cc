// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/errors.h"

#include "object/writer.h"

namespace tetrarch::api::distribution {

std::string error_text(Refusal refusal, std::string_view message) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("errors").begin_array().begin_object();
  writer.field("code", refusal.code).field("message", message);
  writer.end_object().end_array().end_object();
  return out;
}

Refusal refusal_of(Code code) {
  switch (code) {
    case Code::unauthenticated:
      return kUnauthorized;
    case Code::forbidden:
      return kDenied;
    case Code::not_found:
      return kNameUnknown;
    case Code::too_large:
      return kSizeInvalid;
    case Code::exhausted:
      return kTooManyRequests;
    case Code::unsupported:
    case Code::unimplemented:
      return kUnsupported;
    case Code::invalid:
    case Code::malformed:
      return kManifestInvalid;
    case Code::conflict:
    case Code::already_exists:
    case Code::precondition:
    case Code::expired:
    case Code::unavailable:
    case Code::timeout:
    case Code::cancelled:
      return kUnavailable;
    case Code::internal:
      break;
  }
  return kUnknown;
}

}  // namespace tetrarch::api::distribution
