// SPDX-License-Identifier: Apache-2.0
// TLS settings: what a server shows and whom it believes, what a client shows and whom it believes.
// Made from PEM texts, replaceable while connections run (a rotation reaches new connections only).
// TLS 1.2 and later.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"

typedef struct ssl_ctx_st SSL_CTX;  // NOLINT: OpenSSL's own name

namespace tetrarch::net {

/// All PEM texts; empty where there is none.
struct TlsMaterial {
  std::string certificate_pem;  ///< leaf first, then intermediates
  std::string key_pem;
  /// Server: whose client certificates count (empty: none is asked for). Client: whose server
  /// certificates count (empty: those of the system).
  std::string ca_pem;
  /// Client: trusts the CA in the server's own chain whose public key (SubjectPublicKeyInfo) has
  /// this SHA-256 in hexadecimal; for joining, where only a token is known. Used instead of ca_pem.
  std::string ca_fingerprint = {};
  /// Client: any server certificate will do. Only where a user has asked for that.
  bool trusts_anybody = false;
  /// Server: a client that offers HTTP/2 (ALPN "h2") gets it.
  bool speaks_http2 = false;
};

/// Thread-safe; shared by a server or client and whoever rotates the certificate.
class TlsContext {
  struct Private {};  // only for_server and for_client make one

 public:
  TlsContext(Private, bool is_server, std::shared_ptr<SSL_CTX> context)
      : is_server_(is_server), context_(std::move(context)) {}

  static Result<std::shared_ptr<TlsContext>> for_server(const TlsMaterial& material);
  static Result<std::shared_ptr<TlsContext>> for_client(const TlsMaterial& material);
  /// On an error the old material stays.
  Status reload(const TlsMaterial& material);

  bool is_server() const { return is_server_; }

  std::shared_ptr<SSL_CTX> current() const;

 private:
  const bool is_server_;
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;  // connections under way keep the one they began with
};

}  // namespace tetrarch::net
