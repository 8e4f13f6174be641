// SPDX-License-Identifier: Apache-2.0
#include "app/token_secret.h"

#include "base/encoding.h"
#include "object/writer.h"

namespace tetrarch::app {

std::string token_secret(const trust::BootstrapToken& token, const std::string& ends) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "Secret").field("apiVersion", "v1");
  writer.key("metadata").begin_object().field("name", "bootstrap-token-" + token.id);
  writer.field("namespace", "kube-system").end_object();
  writer.field("type", "bootstrap.kubernetes.io/token").key("data").begin_object();
  writer.field("token-id", base64_encode(token.id));
  writer.field("token-secret", base64_encode(token.secret));
  if (!ends.empty()) {
    writer.field("expiration", base64_encode(ends));
  }
  writer.field("usage-bootstrap-authentication", base64_encode("true")).end_object().end_object();
  return out;
}

}  // namespace tetrarch::app
