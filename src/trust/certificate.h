// SPDX-License-Identifier: Apache-2.0
// Makes and reads X.509 certificates with OpenSSL. The private half of ca.h.
#pragma once

#include <string_view>

#include "trust/ca.h"
#include "trust/openssl.h"

namespace tetrarch::trust {

/// What goes into a certificate, whoever signs it.
struct CertificateTerms {
  Subject subject;
  ServerNames names = {};
  TimePoint not_before = {};
  TimePoint not_after = {};
  bool is_ca = false;
  bool is_client = false;
  bool is_server = false;
};

/// `issuer` nullptr: signed by itself, with `issuer_key`.
Result<CertificatePtr> make_certificate(const CertificateTerms& terms,
                                        EVP_PKEY* key,
                                        X509* issuer,
                                        EVP_PKEY* issuer_key);
Result<NamePtr> make_name(const Subject& subject);

Result<CertificatePtr> certificate_from_pem(std::string_view pem);
Result<std::string> certificate_to_pem(X509* certificate);
CertificateInfo describe(X509* certificate);
RequestInfo describe(X509_REQ* request);

}  // namespace tetrarch::trust
