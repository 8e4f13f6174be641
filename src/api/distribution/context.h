// SPDX-License-Identifier: Apache-2.0
// What the handlers of this room share: one request, who sends it, and how to answer.
#pragma once

#include <string>
#include <string_view>

#include "api/distribution/distribution.h"
#include "api/distribution/errors.h"
#include "api/distribution/names.h"
#include "api/distribution/route.h"
#include "api/distribution/uploads.h"
#include "client/client.h"

namespace tetrarch::api::distribution {

struct Context {
  const Parts& parts;
  client::Client& objects;  ///< under the registry's own identity: RBAC has had its say by then
  Uploads& uploads;
  net::Request request;
  net::Exchange& exchange;
  net::BodyReader& body;
  Visit& visit;
  Route route = {};
  std::string repository = {};
  trust::Identity identity = {};
  int answered = 0;               ///< the status; 0: nothing yet
  std::string refusal_code = {};  ///< what a refused client reads
  std::string refusal = {};
};

/// An answer of several pieces begins.
Task<Status> start(Context& context, int status, net::Headers headers);
/// With the headers that every answer has.
net::Headers common_headers();
Task<Status> answer(Context& context, int status, net::Headers headers, std::string body);
Task<Status> refuse(Context& context, Refusal refusal, std::string message);
/// /v2/<repository path as asked>/<rest>
std::string location(const Context& context, std::string_view rest);
/// All of the body; Code::too_large beyond `bytes_max`.
Task<Result<std::string>> read_whole(Context& context, std::size_t bytes_max);
/// It may be about to be used: the registry's housekeeping begins to count anew.
Task<Status> take_mark_off(Context& context, const Stored& object);
/// Makes it, of canonical JSON; where it is there already it stays as it is, without a mark.
Task<Status> keep_object(Context& context, Key key, std::string object);
/// Whether that machine answers, and has the blob. In blobs.cc.
Task<bool> gives_blob(Context& context, std::string node, std::string digest);
/// Whether any machine does: what an object says may be of machines that have lost it.
Task<bool> is_given(Context& context, const Stored& blob);

// Each in its own file; an error is answered by who called it.
Task<Status> serve_catalog(Context& context);   // listing.cc
Task<Status> serve_tags(Context& context);      // listing.cc
Task<Status> serve_manifest(Context& context);  // manifests.cc
Task<Status> serve_blob(Context& context);      // blobs.cc
Task<Status> begin_upload(Context& context);    // upload_requests.cc
Task<Status> serve_upload(Context& context);    // upload_requests.cc

}  // namespace tetrarch::api::distribution
