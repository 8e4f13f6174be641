// SPDX-License-Identifier: Apache-2.0
// Service account tokens for projected volumes: asked for over TokenRequest, renewed at four fifths
// of their life. Used on the agent's strand.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/volumes.h"
#include "async/task.h"
#include "base/clock.h"
#include "client/client.h"

namespace tetrarch::agent {

class Tokens {
 public:
  Tokens(client::Client& client, const Clock& clock) : client_(client), clock_(clock) {}

  /// Asks for what is missing or due. An error, the first, leaves what there is: one token that is
  /// refused keeps no other from being renewed.
  Task<Status> ensure(DocumentPtr pod);
  std::optional<std::string> find(const std::string& pod_uid, const TokenWish& wish) const;
  /// When the first of the pod's tokens wants renewing; empty: it has none.
  std::optional<TimePoint> due(const std::string& pod_uid) const;
  void forget(const std::string& pod_uid);

 private:
  struct Token {
    std::string text;
    TimePoint renew_at;
  };

  Task<Result<Token>> request(DocumentPtr pod, TokenWish wish);

  client::Client& client_;
  const Clock& clock_;
  std::map<std::pair<std::string, TokenWish>, Token> tokens_;
};

}  // namespace tetrarch::agent
