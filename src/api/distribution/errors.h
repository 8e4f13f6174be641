// SPDX-License-Identifier: Apache-2.0
// What a client reads when it is refused. Source: OCI distribution specification 1.1, "Error
// codes".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::api::distribution {

/// A line of the specification's table, or one of ours (UNAVAILABLE, UNKNOWN).
struct Refusal {
  int status;
  std::string_view code;
};

inline constexpr Refusal kBlobUnknown{404, "BLOB_UNKNOWN"};
inline constexpr Refusal kUploadInvalid{400, "BLOB_UPLOAD_INVALID"};
inline constexpr Refusal kUploadUnknown{404, "BLOB_UPLOAD_UNKNOWN"};
inline constexpr Refusal kDigestInvalid{400, "DIGEST_INVALID"};
inline constexpr Refusal kManifestBlobUnknown{404, "MANIFEST_BLOB_UNKNOWN"};
inline constexpr Refusal kManifestInvalid{400, "MANIFEST_INVALID"};
inline constexpr Refusal kManifestUnknown{404, "MANIFEST_UNKNOWN"};
inline constexpr Refusal kNameInvalid{400, "NAME_INVALID"};
inline constexpr Refusal kNameUnknown{404, "NAME_UNKNOWN"};
inline constexpr Refusal kSizeInvalid{413, "SIZE_INVALID"};
inline constexpr Refusal kTagInvalid{400, "TAG_INVALID"};
inline constexpr Refusal kPageInvalid{400, "PAGINATION_NUMBER_INVALID"};
inline constexpr Refusal kRangeInvalid{416, "RANGE_INVALID"};
inline constexpr Refusal kUnauthorized{401, "UNAUTHORIZED"};
inline constexpr Refusal kDenied{403, "DENIED"};
inline constexpr Refusal kUnsupported{405, "UNSUPPORTED"};
inline constexpr Refusal kTooManyRequests{429, "TOOMANYREQUESTS"};
inline constexpr Refusal kUnavailable{503, "UNAVAILABLE"};
inline constexpr Refusal kUnknown{500, "UNKNOWN"};

/// {"errors":[{"code":…,"message":…}]}
std::string error_text(Refusal refusal, std::string_view message);
/// For what failed on the way to the answer.
Refusal refusal_of(Code code);

}  // namespace tetrarch::api::distribution
