// SPDX-License-Identifier: Apache-2.0
#include "net/tls_engine.h"

#include <algorithm>
#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "net/spare.h"

namespace tetrarch::net {

namespace {
constexpr std::size_t kInputMin = 4 * 1024;
constexpr std::size_t kInputMax = 64 * 1024;
}  // namespace

/// The two ends of OpenSSL's pipe: our BIO reads from `input` and appends to `output`.
struct TlsEngine::Buffers {
  std::string input;
  std::size_t input_wanted = kInputMin;  // its size when it is next taken
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_at_end = false;
  bool is_peer_refused = false;
  std::string output;

  static int read(BIO* bio, char* into, int size) {
    auto* self = static_cast<Buffers*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (self->begin == self->end) {
      if (!self->is_at_end) {
        BIO_set_retry_read(bio);
        return -1;
      }
      return 0;
    }
    const auto n = std::min(static_cast<std::size_t>(size), self->end - self->begin);
    std::memcpy(into, self->input.data() + self->begin, n);
    self->begin += n;
    return static_cast<int>(n);
  }

  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    auto& output = static_cast<Buffers*>(BIO_get_data(bio))->output;
    take_spare(output);
    output.append(from, static_cast<std::size_t>(size));
    return size;
  }

  static long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    if (command == BIO_CTRL_EOF) {
      return static_cast<Buffers*>(BIO_get_data(bio))->is_at_end ? 1 : 0;
    }
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tetrarch");
      BIO_meth_set_read(out, &Buffers::read);
      BIO_meth_set_write(out, &Buffers::write);
      BIO_meth_set_ctrl(out, &Buffers::control);
      return out;
    }();
    return made;
  }
};

std::string openssl_error_text() {
  std::string text;
  while (const auto code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    text += text.empty() ? "" : "; ";
    text += reason != nullptr ? reason : "error " + std::to_string(code);
  }
  return text.empty() ? "no reason given" : text;
}

TlsEngine::TlsEngine(const TlsContext& context, const std::string& server_name)
    : buffers_(std::make_unique<Buffers>()),
      context_(context.current()),
      ssl_(SSL_new(context_.get())) {
  CHECK(ssl_ != nullptr);
  BIO* bio = BIO_new(Buffers::method());
  CHECK(bio != nullptr);
  BIO_set_data(bio, buffers_.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, buffers_.get());
  if (context.is_server()) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl_);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, server_name.c_str()) != 1) {
    ERR_clear_error();
    if (server_name.find(':') != std::string::npos) {
      // No host is called so: it is a user, such as system:node:m2, who shows a client certificate.
      X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_CLIENT);
    }
    X509_VERIFY_PARAM_set1_host(rules, server_name.data(), server_name.size());
    SSL_set_tlsext_host_name(ssl_, server_name.c_str());
  }
}

TlsEngine::~TlsEngine() {
  SSL_free(ssl_);
}

TlsEngine::Space TlsEngine::input_space() {
  auto& b = *buffers_;
  if (b.begin == b.end) {
    b.begin = 0;
    b.end = 0;
    if (b.input.size() < b.input_wanted) {
      take_spare(b.input, kInputMax);
      b.input.resize(b.input_wanted);
    }
  } else if (b.end == b.input.size()) {
    if (b.begin > 0) {
      std::memmove(b.input.data(), b.input.data() + b.begin, b.end - b.begin);
      b.end -= b.begin;
      b.begin = 0;
    } else {
      b.input.resize(b.input.size() * 2);
    }
  }
  return {b.input.data() + b.end, b.input.size() - b.end};
}

void TlsEngine::filled(std::size_t size) {
  auto& b = *buffers_;
  b.is_at_end = size == 0;
  b.end += size;
  if (size == b.input.size() && size < kInputMax) {
    b.input_wanted = 2 * size;  // a fast sender: take more at once
  } else if (size < kInputMin / 2) {
    b.input_wanted = kInputMin;
  }
}

bool TlsEngine::has_input() const {
  return buffers_->begin < buffers_->end || SSL_has_pending(ssl_) == 1;
}

void TlsEngine::rest() {
  auto& b = *buffers_;
  if (b.begin == b.end) {
    give_spare(b.input);
    b.begin = 0;
    b.end = 0;
  }
  if (b.output.empty()) {
    give_spare(b.output);
  }
}

Error TlsEngine::failure(std::string_view what) const {
  const auto verified = SSL_get_verify_result(ssl_);
  std::string why = openssl_error_text();
  if (SSL_is_server(ssl_) == 0 && verified != X509_V_OK) {
    why += std::string(": ") + X509_verify_cert_error_string(verified);
  }
  return {Code::unavailable, std::string(what) + ": " + why};
}

Result<TlsEngine::Progress> TlsEngine::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  if (done == 1) {
    return Progress::done;
  }
  if (SSL_get_error(ssl_, done) == SSL_ERROR_WANT_READ) {
    return Progress::needs_input;
  }
  has_failed_ = true;
  if (buffers_->is_at_end) {
    return Error{Code::unavailable, "the connection ended during the TLS handshake"};
  }
  return failure("TLS handshake failed");
}

Result<TlsEngine::Plain> TlsEngine::read(char* into, std::size_t size) {
  ERR_clear_error();
  std::size_t got = 0;
  const int done = SSL_read_ex(ssl_, into, size, &got);
  if (done == 1) {
    return Plain{Progress::done, got};
  }
  switch (SSL_get_error(ssl_, done)) {
    case SSL_ERROR_WANT_READ:
      return Plain{Progress::needs_input, 0};
    case SSL_ERROR_ZERO_RETURN:
      return Plain{Progress::ended, 0};
    default:
      has_failed_ = true;
      return failure("TLS read failed");
  }
}

Status TlsEngine::encrypt(std::string_view plain) {
  while (!plain.empty()) {
    ERR_clear_error();
    std::size_t put = 0;
    if (SSL_write_ex(ssl_, plain.data(), plain.size(), &put) != 1) {
      has_failed_ = true;
      return failure("TLS write failed");
    }
    plain.remove_prefix(put);
  }
  return ok();
}

void TlsEngine::say_goodbye() {
  if (!has_failed_ && SSL_is_init_finished(ssl_) != 0) {
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
}

std::string& TlsEngine::output() {
  return buffers_->output;
}

bool TlsEngine::has_chosen_http2() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return size == 2 && std::memcmp(name, "h2", 2) == 0;
}

void TlsEngine::note_refused_peer(SSL* ssl) {
  static_cast<Buffers*>(SSL_get_app_data(ssl))->is_peer_refused = true;
}

void TlsEngine::describe_peer(Peer& peer) const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) {
    return;
  }
  if (buffers_->is_peer_refused) {
    peer.is_certificate_refused = true;
    return;
  }
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const auto text_at = [subject](int place) {
    unsigned char* utf8 = nullptr;
    const auto* entry = X509_NAME_get_entry(subject, place);
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    std::string out(
        size > 0 ? std::string(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size)) : "");
    OPENSSL_free(utf8);
    return out;
  };
  const int name = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (name >= 0) {
    peer.certificate_common_name = text_at(name);
  }
  int at = X509_NAME_get_index_by_NID(subject, NID_organizationName, -1);
  while (at >= 0) {
    peer.certificate_organizations.push_back(text_at(at));
    at = X509_NAME_get_index_by_NID(subject, NID_organizationName, at);
  }
}

}  // namespace tetrarch::net
