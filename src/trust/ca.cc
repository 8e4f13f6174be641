// SPDX-License-Identifier: Apache-2.0
#include "trust/ca.h"

#include <algorithm>
#include <utility>

#include <openssl/pem.h>

#include "base/encoding.h"
#include "trust/certificate.h"
#include "trust/secret_file.h"
#include "trust/sha256.h"

namespace tetrarch::trust {
namespace {

constexpr std::size_t kRequestSizeMax = std::size_t{16} << 10;
/// Bits of security that a key of another must offer: P-256 has 128, RSA 2048 has 112.
constexpr int kSecurityBitsMin = 112;

Result<std::string> fingerprint_of(EVP_PKEY* key) {
  TRY(const auto der, public_key_der(key));
  return sha256_hex(der);
}

Result<RequestPtr> read_request(std::string_view pem) {
  if (pem.size() > kRequestSizeMax) {
    return Error{Code::invalid, "the certificate signing request is larger than 16 KiB"};
  }
  RequestPtr request(
      PEM_read_bio_X509_REQ(reader_of(pem).get(), nullptr, refuse_password, nullptr));
  if (request == nullptr) {
    return openssl_error(Code::invalid, "cannot read the certificate signing request");
  }
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || EVP_PKEY_get_security_bits(key) < kSecurityBitsMin) {
    return openssl_error(Code::invalid,
                         "the key of the certificate signing request is too weak or unknown");
  }
  if (X509_REQ_verify(request.get(), key) != 1) {
    return openssl_error(Code::invalid,
                         "the certificate signing request is not signed with its own key");
  }
  return request;
}

}  // namespace

struct CertificateAuthority::State {
  KeyPtr key;
  CertificatePtr certificate;
  std::string certificate_pem;
  std::string fingerprint;
  TimePoint not_after;

  static Result<CertificateAuthority> from(KeyPtr key, CertificatePtr certificate) {
    auto state = std::make_unique<State>();
    const auto info = describe(certificate.get());
    if (!info.is_ca) {
      return Error{Code::invalid, "the certificate of the CA is not one of a CA"};
    }
    if (X509_check_private_key(certificate.get(), key.get()) != 1) {
      return openssl_error(Code::invalid, "the key of the CA does not belong to its certificate");
    }
    TRY(state->fingerprint, fingerprint_of(key.get()));
    TRY(state->certificate_pem, certificate_to_pem(certificate.get()));
    state->not_after = info.not_after;
    state->key = std::move(key);
    state->certificate = std::move(certificate);
    return CertificateAuthority(std::move(state));
  }

  static Result<CertificateAuthority> self_signed(KeyPtr key,
                                                  std::string_view common_name,
                                                  TimePoint now) {
    const CertificateTerms terms{.subject = {.common_name = std::string(common_name)},
                                 .not_before = now - kClockSkew,
                                 .not_after = now + kCaValidity,
                                 .is_ca = true};
    TRY(auto certificate, make_certificate(terms, key.get(), nullptr, key.get()));
    return from(std::move(key), std::move(certificate));
  }

  Result<std::string> issue(CertificateTerms terms,
                            EVP_PKEY* subject_key,
                            TimePoint now,
                            std::chrono::seconds validity) const {
    terms.not_before = now - kClockSkew;
    terms.not_after = std::min<TimePoint>(now + validity, not_after);
    if (terms.not_after <= now) {
      return Error{Code::invalid, "the certificate would not be valid now: is the CA expired?"};
    }
    TRY(const auto made, make_certificate(terms, subject_key, certificate.get(), key.get()));
    return certificate_to_pem(made.get());
  }

  Result<KeyPair> issue_pair(CertificateTerms terms,
                             TimePoint now,
                             std::chrono::seconds validity) const {
    TRY(const auto fresh, make_p256_key());
    KeyPair out;
    TRY(out.certificate_pem, issue(std::move(terms), fresh.get(), now, validity));
    TRY(out.key_pem, key_to_pem(fresh.get()));
    return out;
  }
};

CertificateAuthority::CertificateAuthority(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

CertificateAuthority::~CertificateAuthority() = default;
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;

Result<CertificateAuthority> CertificateAuthority::create(std::string_view common_name,
                                                          TimePoint now) {
  TRY(auto key, make_p256_key());
  return State::self_signed(std::move(key), common_name, now);
}

Result<CertificateAuthority> CertificateAuthority::from_pem(const KeyPair& pair) {
  TRY(auto key, key_from_pem(pair.key_pem));
  TRY(auto certificate, certificate_from_pem(pair.certificate_pem));
  return State::from(std::move(key), std::move(certificate));
}

Result<CertificateAuthority> CertificateAuthority::load_or_create(const std::string& directory,
                                                                  std::string_view name,
                                                                  TimePoint now) {
  const std::string base = directory + "/" + std::string(name);
  TRY(auto certificate_pem, read_file_if_present(base + ".crt"));
  TRY(auto key_pem, read_file_if_present(base + ".key"));
  if (certificate_pem && !key_pem) {
    return Error{Code::invalid, "there is " + base + ".crt, but not its key " + base + ".key"};
  }
  if (certificate_pem) {
    return from_pem({std::move(*certificate_pem), std::move(*key_pem)});
  }
  KeyPtr key;
  if (key_pem) {
    TRY(key, key_from_pem(*key_pem));
  } else {
    TRY(key, make_p256_key());
    TRY(const auto pem, key_to_pem(key.get()));
    TRY_STATUS(write_file_atomically(base + ".key", pem));
  }
  TRY(auto made, State::self_signed(std::move(key), name, now));
  TRY_STATUS(write_file_atomically(base + ".crt", made.certificate_pem()));
  return made;
}

const std::string& CertificateAuthority::certificate_pem() const {
  return state_->certificate_pem;
}

const std::string& CertificateAuthority::fingerprint() const {
  return state_->fingerprint;
}

Result<KeyPair> CertificateAuthority::issue_server(const Subject& subject,
                                                   const ServerNames& names,
                                                   TimePoint now,
                                                   std::chrono::seconds validity) const {
  return state_->issue_pair({.subject = subject, .names = names, .is_server = true}, now, validity);
}

Result<KeyPair> CertificateAuthority::issue_client(const Subject& subject,
                                                   TimePoint now,
                                                   std::chrono::seconds validity) const {
  return state_->issue_pair({.subject = subject, .is_client = true}, now, validity);
}

Result<std::string> CertificateAuthority::sign(std::string_view csr_pem,
                                               const Subject& subject,
                                               const ServerNames& names,
                                               TimePoint now,
                                               std::chrono::seconds validity) const {
  const bool is_server = !names.dns.empty() || !names.ips.empty();
  return sign(csr_pem, IssueTerms{subject, names, true, is_server}, now, validity);
}

Result<std::string> CertificateAuthority::sign(std::string_view csr_pem,
                                               const IssueTerms& terms,
                                               TimePoint now,
                                               std::chrono::seconds validity) const {
  TRY(const auto request, read_request(csr_pem));
  return state_->issue({.subject = terms.subject,
                        .names = terms.names,
                        .is_client = terms.is_client,
                        .is_server = terms.is_server},
                       X509_REQ_get0_pubkey(request.get()),
                       now,
                       validity);
}

Result<SigningRequest> make_signing_request(const Subject& subject) {
  TRY(const auto key, make_p256_key());
  TRY(const auto name, make_name(subject));
  const RequestPtr request(X509_REQ_new());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const bool is_made = request != nullptr && bio != nullptr &&
                       X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                       X509_REQ_set_subject_name(request.get(), name.get()) == 1 &&
                       X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
                       X509_REQ_sign(request.get(), key.get(), EVP_sha256()) != 0 &&
                       PEM_write_bio_X509_REQ(bio.get(), request.get()) == 1;
  if (!is_made) {
    return openssl_error(Code::internal, "cannot make a certificate signing request");
  }
  SigningRequest out;
  TRY(out.key_pem, key_to_pem(key.get()));
  out.csr_pem = text_of(bio.get());
  return out;
}

Result<RequestInfo> read_signing_request(std::string_view csr_pem) {
  TRY(const auto request, read_request(csr_pem));
  return describe(request.get());
}

Result<CertificateInfo> read_certificate(std::string_view pem) {
  TRY(const auto certificate, certificate_from_pem(pem));
  return describe(certificate.get());
}

Result<std::string> public_key_fingerprint(std::string_view certificate_pem) {
  TRY(const auto certificate, certificate_from_pem(certificate_pem));
  EVP_PKEY* key = X509_get0_pubkey(certificate.get());
  if (key == nullptr) {
    return openssl_error(Code::invalid, "cannot read the key of a certificate");
  }
  return fingerprint_of(key);
}

bool is_due_for_rotation(std::string_view certificate_pem, TimePoint now) {
  const auto info = read_certificate(certificate_pem);
  return !info.ok() || now >= info->not_before + (info->not_after - info->not_before) * 2 / 3;
}

bool is_pair(const KeyPair& pair) {
  const auto certificate = certificate_from_pem(pair.certificate_pem);
  const auto key = key_from_pem(pair.key_pem);
  if (!certificate.ok() || !key.ok() ||
      X509_check_private_key(certificate->get(), key->get()) != 1) {
    openssl_error(Code::invalid, "");
    return false;
  }
  return true;
}

}  // namespace tetrarch::trust
