// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/encoding.h"
#include "net/tls_engine.h"

namespace tetrarch::net {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

BioPtr open_pem(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

Error bad(std::string_view what) {
  return Error{Code::invalid, std::string(what) + ": " + openssl_error_text()};
}

Status load_chain(SSL_CTX* context, const std::string& pem) {
  const auto bio = open_pem(pem);
  const X509Ptr leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return bad("the TLS certificate cannot be read");
  }
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return bad("the TLS certificate chain cannot be used");
    }
  }
  ERR_clear_error();  // the end of the PEM text is reported as an error
  return ok();
}

Status load_key(SSL_CTX* context, const std::string& pem) {
  const auto bio = open_pem(pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return bad("the TLS key cannot be read or does not belong to the certificate");
  }
  return ok();
}

Status load_authorities(SSL_CTX* context, const std::string& pem, bool is_server) {
  const auto bio = open_pem(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (true) {
    const X509Ptr ca(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    if (!ca) {
      break;
    }
    if (X509_STORE_add_cert(store, ca.get()) != 1) {
      return bad("a CA certificate cannot be used");
    }
    if (is_server) {
      SSL_CTX_add_client_CA(context,
                            ca.get());  // Go clients choose their certificate by these names
    }
    ++count;
  }
  ERR_clear_error();
  return count > 0 ? ok()
                   : Status{Error{Code::invalid, "there is no CA certificate in the PEM text"}};
}

// Source: RFC 7301 section 3.1: names with their length in front, the one liked best first.
constexpr std::string_view kWithHttp2 = "\x02h2\x08http/1.1";
constexpr std::string_view kHttp1 = "\x08http/1.1";

/// `offered`: one of the lists above.
int choose_protocol(SSL* /*ssl*/,
                    const unsigned char** out,
                    unsigned char* out_size,
                    const unsigned char* in,
                    unsigned int in_size,
                    void* offered) {
  const auto& ours = *static_cast<const std::string_view*>(offered);
  const auto* const names = reinterpret_cast<const unsigned char*>(ours.data());
  unsigned char* chosen = nullptr;
  const int outcome = SSL_select_next_proto(
      &chosen, out_size, names, static_cast<unsigned int>(ours.size()), in, in_size);
  *out = chosen;
  // Old clients ask for nothing we know and speak HTTP/1.1 all the same.
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/// A client certificate that does not verify ends no handshake: the peer is then nobody, and the
/// API answers 401.
int note_refusal(int is_ok, X509_STORE_CTX* store) {
  if (is_ok == 0) {
    auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsEngine::note_refused_peer(ssl);
  }
  return 1;
}

/// SHA-256 of the public key info, in hexadecimal; empty where it cannot be encoded.
std::string public_key_digest(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
  if (size <= 0) {
    return "";
  }
  unsigned char digest[32];
  unsigned int digest_size = 0;
  EVP_Digest(bytes, static_cast<std::size_t>(size), digest, &digest_size, EVP_sha256(), nullptr);
  OPENSSL_free(bytes);
  return hex_encode({reinterpret_cast<const char*>(digest), digest_size});
}

/// Verifies the peer's chain against the one certificate in it that has the pinned key.
int verify_pinned(X509_STORE_CTX* store, void* fingerprint) {
  const auto& wanted = *static_cast<const std::string*>(fingerprint);
  STACK_OF(X509)* shown = X509_STORE_CTX_get0_untrusted(store);
  STACK_OF(X509)* trusted = sk_X509_new_null();
  for (int i = 0; i < sk_X509_num(shown); ++i) {
    if (public_key_digest(sk_X509_value(shown, i)) == wanted) {
      sk_X509_push(trusted, sk_X509_value(shown, i));
    }
  }
  X509_STORE_CTX_set0_trusted_stack(store, trusted);
  const int is_ok = X509_verify_cert(store);
  sk_X509_free(trusted);
  return is_ok;
}

/// Keeps the pinned fingerprint for as long as the context.
std::shared_ptr<SSL_CTX> pin(std::shared_ptr<SSL_CTX> context, const std::string& fingerprint) {
  auto kept = std::make_shared<std::string>(fingerprint);
  SSL_CTX_set_cert_verify_callback(context.get(), &verify_pinned, kept.get());
  SSL_CTX* raw = context.get();
  return {raw, [context = std::move(context), kept](SSL_CTX*) {}};
}

Result<std::shared_ptr<SSL_CTX>> make_context(bool is_server, const TlsMaterial& material) {
  const std::shared_ptr<SSL_CTX> context(
      SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()), &SSL_CTX_free);
  if (!context) {
    return bad("TLS cannot be set up");
  }
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  // No resumption: a resumed session would keep the identity of a certificate whose CA has since
  // been replaced.
  SSL_CTX_set_options(raw,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                          SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  if (!material.certificate_pem.empty() || is_server) {
    TRY_STATUS(load_chain(raw, material.certificate_pem));
    TRY_STATUS(load_key(raw, material.key_pem));
  }
  if (!material.ca_pem.empty()) {
    TRY_STATUS(load_authorities(raw, material.ca_pem, is_server));
  } else if (!is_server && !material.trusts_anybody && SSL_CTX_set_default_verify_paths(raw) != 1) {
    return bad("the system's CA certificates cannot be read");
  }
  if (is_server) {
    const auto& offered = material.speaks_http2 ? kWithHttp2 : kHttp1;
    SSL_CTX_set_alpn_select_cb(raw, &choose_protocol, const_cast<std::string_view*>(&offered));
    if (!material.ca_pem.empty()) {
      SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, &note_refusal);
    }
  } else {
    // Whoever believes our certificate has its authority: sent with it (OpenSSL takes it from those
    // that we believe), it would be kept by the server for as long as the connection.
    SSL_CTX_set_mode(raw, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_verify(raw, material.trusts_anybody ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_alpn_protos(
        raw, reinterpret_cast<const unsigned char*>(kHttp1.data()), kHttp1.size());
    if (!material.ca_fingerprint.empty()) {
      return pin(context, material.ca_fingerprint);
    }
  }
  return context;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::for_server(const TlsMaterial& material) {
  TRY(auto context, make_context(true, material));
  return std::make_shared<TlsContext>(Private{}, true, std::move(context));
}

Result<std::shared_ptr<TlsContext>> TlsContext::for_client(const TlsMaterial& material) {
  TRY(auto context, make_context(false, material));
  return std::make_shared<TlsContext>(Private{}, false, std::move(context));
}

Status TlsContext::reload(const TlsMaterial& material) {
  TRY(auto context, make_context(is_server_, material));
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  return ok();
}

std::shared_ptr<SSL_CTX> TlsContext::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace tetrarch::net
