// SPDX-License-Identifier: Apache-2.0
// The one table from our error codes to HTTP codes and reasons, and the Status objects built with
// it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::api::kubernetes {

struct HttpError {
  int status;
  std::string_view reason;
};

/// Total: every Code has a row.
HttpError http_error(Code code);

/// What a request was about: fills the details of a Status.
struct Subject {
  std::string group = {};
  std::string kind = {};      ///< "Deployment": Invalid errors name the kind
  std::string resource = {};  ///< "deployments": all others name the plural
  std::string name = {};
  std::string uid = {};
};

/// `Deployment.apps "x" is invalid: spec.replicas: Invalid value: …` where the error names fields;
/// else its own words.
std::string message_of(const Error& error, const Subject& subject);

/// A failure Status. `override` replaces the table's row where status is not 0.
std::string failure_json(const Error& error, const Subject& subject, HttpError replaced = {0, ""});
/// What a finished deletion answers with.
std::string success_json(const Subject& subject);

}  // namespace tetrarch::api::kubernetes
