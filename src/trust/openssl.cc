// SPDX-License-Identifier: Apache-2.0
#include "trust/openssl.h"

#include <array>
#include <utility>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/check.h"

namespace tetrarch::trust {

Error openssl_error(Code code, std::string what) {
  const unsigned long number = ERR_peek_last_error();
  ERR_clear_error();
  if (number != 0) {
    std::array<char, 256> text{};
    ERR_error_string_n(number, text.data(), text.size());
    const char* reason = ERR_reason_error_string(number);
    what += std::string(": ") + (reason != nullptr ? reason : text.data());
  }
  return {code, std::move(what)};
}

BioPtr reader_of(std::string_view bytes) {
  BioPtr bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  CHECK(bio != nullptr);
  return bio;
}

int refuse_password(char* /*text*/, int /*size*/, int /*is_for_writing*/, void* /*context*/) {
  return -1;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

Result<KeyPtr> make_p256_key() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) {
    return openssl_error(Code::internal, "cannot make a P-256 key");
  }
  return key;
}

Result<std::string> key_to_pem(EVP_PKEY* key) {
  BioPtr bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_error(Code::internal, "cannot write a private key");
  }
  return text_of(bio.get());
}

Result<KeyPtr> key_from_pem(std::string_view pem) {
  KeyPtr key(PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, refuse_password, nullptr));
  if (key == nullptr) {
    return openssl_error(Code::invalid, "cannot read a private key");
  }
  return key;
}

Result<std::string> public_key_der(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) {
    return openssl_error(Code::internal, "cannot encode a public key");
  }
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace tetrarch::trust
