// SPDX-License-Identifier: Apache-2.0
#include "net/pki_test.h"

#include <atomic>
#include <memory>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace tetrarch::net::testing {

struct TestAuthority::Impl {
  X509* certificate;
  EVP_PKEY* key;
};

namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return out;
}

std::string pem_of(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return text_of(bio);
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  X509_NAME_add_entry_by_txt(
      name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
}

X509* unsigned_certificate(EVP_PKEY* key, const std::string& common_name) {
  static std::atomic<long> serial{1};
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  add_name(X509_get_subject_name(certificate), "CN", common_name);
  return certificate;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name) : impl_(std::make_unique<Impl>().release()) {
  impl_->key = EVP_EC_gen("P-256");
  impl_->certificate = unsigned_certificate(impl_->key, name);
  X509_set_issuer_name(impl_->certificate, X509_get_subject_name(impl_->certificate));
  add_extension(impl_->certificate, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(impl_->certificate, impl_->key, EVP_sha256());
  pem_ = pem_of(impl_->certificate);
}

TestAuthority::~TestAuthority() {
  X509_free(impl_->certificate);
  EVP_PKEY_free(impl_->key);
  const std::unique_ptr<Impl> owned(impl_);
}

Issued TestAuthority::issue(const std::string& common_name,
                            const std::vector<std::string>& organizations,
                            bool is_server,
                            long seconds_left) const {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = unsigned_certificate(key, common_name);
  X509_gmtime_adj(X509_getm_notAfter(certificate), seconds_left);
  for (const auto& organization : organizations) {
    add_name(X509_get_subject_name(certificate), "O", organization);
  }
  X509_set_issuer_name(certificate, X509_get_subject_name(impl_->certificate));
  add_extension(certificate, NID_ext_key_usage, is_server ? "serverAuth" : "clientAuth");
  if (is_server) {
    add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  }
  X509_sign(certificate, impl_->key, EVP_sha256());
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  Issued out{pem_of(certificate), text_of(bio)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return out;
}

}  // namespace tetrarch::net::testing
