// SPDX-License-Identifier: Apache-2.0
// One side of one TLS connection without any I/O: encrypted bytes go in and come out of buffers
// that the transport fills and sends, so that 64 KB and more leave in one write(2) (asio::ssl
// writes one 16 KB record at a time). Used on one strand.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"

typedef struct ssl_st SSL;  // NOLINT: OpenSSL's own name

namespace tetrarch::net {

/// What OpenSSL says went wrong, oldest first, and clears its list.
std::string openssl_error_text();

class TlsEngine {
 public:
  enum class Progress : std::uint8_t { done, needs_input, ended };

  struct Space {
    char* data;
    std::size_t size;
  };

  struct Plain {
    Progress progress = Progress::needs_input;
    std::size_t size = 0;
  };

  /// `server_name` is checked by a client: a DNS name, an IP address, or a user's (system:node:m2).
  TlsEngine(const TlsContext& context, const std::string& server_name);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  /// Where encrypted bytes from the socket go; then filled() with how many, 0 at the end of the
  /// connection.
  Space input_space();
  void filled(std::size_t size);
  /// Something has come that was not read yet: perhaps not a whole record.
  bool has_input() const;
  /// Nothing will come or go for a while: empty buffers are given back. Ends an input_space().
  void rest();

  Result<Progress> handshake();
  Result<Plain> read(char* into, std::size_t size);
  Status encrypt(std::string_view plain);
  void say_goodbye();
  /// Encrypted bytes to be sent; the transport takes them away.
  std::string& output();

  /// After the handshake: both sides agreed on HTTP/2 (ALPN "h2").
  bool has_chosen_http2() const;
  /// Who the other side proved to be, into the fields of `peer` that a certificate fills.
  void describe_peer(Peer& peer) const;
  static void note_refused_peer(SSL* ssl);

 private:
  struct Buffers;
  Error failure(std::string_view what) const;

  std::unique_ptr<Buffers> buffers_;
  std::shared_ptr<SSL_CTX> context_;
  SSL* ssl_ = nullptr;
  bool has_failed_ = false;
};

}  // namespace tetrarch::net
