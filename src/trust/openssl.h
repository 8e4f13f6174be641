// SPDX-License-Identifier: Apache-2.0
// OpenSSL's objects with an owner, and its errors as ours. Private to this room.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/result.h"

namespace tetrarch::trust {

template <auto kFree>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using BioPtr = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, OpensslFree<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, OpensslFree<X509_REQ_free>>;
using NamePtr = std::unique_ptr<X509_NAME, OpensslFree<X509_NAME_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;
using AltNamesPtr = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, OpensslFree<EVP_MD_CTX_free>>;
using CipherContextPtr = std::unique_ptr<EVP_CIPHER_CTX, OpensslFree<EVP_CIPHER_CTX_free>>;

/// "<what>: <OpenSSL's reason>"; empties OpenSSL's queue of errors.
Error openssl_error(Code code, std::string what);

/// A reader over bytes that outlive it.
BioPtr reader_of(std::string_view bytes);
/// For every read of PEM: OpenSSL would ask at the terminal, or read standard input, for the
/// password that a block which says it is encrypted needs, whoever sent it.
int refuse_password(char* text, int size, int is_for_writing, void* context);
/// What was written into a memory BIO.
std::string text_of(BIO* bio);

Result<KeyPtr> make_p256_key();
/// PKCS #8, not encrypted.
Result<std::string> key_to_pem(EVP_PKEY* key);
Result<KeyPtr> key_from_pem(std::string_view pem);
/// DER of the SubjectPublicKeyInfo.
Result<std::string> public_key_der(EVP_PKEY* key);

}  // namespace tetrarch::trust
