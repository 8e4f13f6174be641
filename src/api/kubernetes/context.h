// SPDX-License-Identifier: Apache-2.0
// Context: one request on its way through this room, and the ways to answer it. It lives in the
// handler's frame, which outlives everything that is called with it; one strand.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/api.h"
#include "api/kubernetes/audit.h"
#include "api/kubernetes/errors.h"
#include "api/kubernetes/fairness.h"
#include "api/kubernetes/negotiate.h"
#include "api/kubernetes/request_body.h"
#include "api/kubernetes/routes.h"
#include "async/task.h"
#include "net/http.h"
#include "trust/identity.h"

namespace tetrarch::api::kubernetes {

/// Documents that are built once, from the catalog.
struct Documents;
struct RemoteApi;

/// An answer that stays open, such as a watch. It goes on when what found out that it is one has
/// returned: of those there are many, and each would keep all those frames for as long.
class OpenAnswer {
 public:
  virtual ~OpenAnswer() = default;
  virtual Task<Status> run() = 0;
};

struct Context {
  const Parts& parts;
  const Documents& documents;
  net::Request request;
  net::Exchange& exchange;
  /// Of what is passed on; all else has its body in the request.
  RequestBody body = RequestBody();
  Match match = {};
  /// Who serves it instead of us; held while it is asked.
  std::shared_ptr<const RemoteApi> remote = {};
  const schema::Kind* kind = nullptr;  ///< of match.resource, where the route has one
  trust::Identity identity = {};
  Representation representation = {};
  std::vector<std::string> warnings = {};
  std::string verb = {};         ///< get, list, watch, create …: for metrics and the log
  int answered = 0;              ///< the HTTP code, once there is one
  AuditTrail* audit = nullptr;   ///< null where no log is wanted
  Fairness::Flow flow = {};      ///< where it belongs, once that is known
  Fairness::Seat seat = {};      ///< held until the answer is out, or has begun to stream
  Fairness::Stream stream = {};  ///< held by what stays open
  /// Left by who would answer with it, and then the answer.
  std::unique_ptr<OpenAnswer> open = {};

  registry::Call call();
  Subject subject() const;
};

/// Headers of every answer: content type, caching, warnings.
net::Headers make_headers(Context& context,
                          std::string_view content_type,
                          std::string_view caching = "");

Task<Status> respond_text(Context& context, int status, std::string_view type, std::string body);
Task<Status> respond_json(Context& context, int status, std::string body);
/// An Error as a Status object.
Task<Status> respond_error(Context& context, Error error);
/// The same with a code and reason that our Code cannot tell (405, 406, 415).
Task<Status> respond_refusal(Context& context, HttpError http, std::string message);
Task<Status> respond_not_found(Context& context);
Task<Status> respond_method_not_allowed(Context& context);
/// A stored object in the representation asked for.
Task<Status> respond_object(Context& context, int status, Stored object);
Task<Status> respond_list(Context& context, client::ListPage page);

/// 403 unless the identity may do this to a path that is no resource.
Status authorize_path(const Context& context);

}  // namespace tetrarch::api::kubernetes
