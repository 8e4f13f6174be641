// SPDX-License-Identifier: Apache-2.0
#include "trust/service_account_token.h"

#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include "base/encoding.h"
#include "trust/jwt.h"
#include "trust/openssl.h"
#include "trust/secret_file.h"
#include "trust/sha256.h"

namespace tetrarch::trust {
namespace {

constexpr std::string_view kAlgorithm = "ES256";
constexpr std::size_t kCoordinateSize = 32;
constexpr std::size_t kPemSizeMax = std::size_t{64} << 10;
constexpr std::string_view kPemEnd = "-----END PRIVATE KEY-----";

using SignaturePtr = std::unique_ptr<ECDSA_SIG, OpensslFree<ECDSA_SIG_free>>;

const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* data_of(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

/// From DER to the two numbers side by side (RFC 7518, section 3.4).
Result<std::string> to_plain_signature(std::string_view der) {
  const auto* at = data_of(der);
  const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string out(2 * kCoordinateSize, '\0');
  constexpr int kSize = static_cast<int>(kCoordinateSize);
  if (signature == nullptr ||
      BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), data_of(out), kSize) != kSize ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), data_of(out) + kSize, kSize) != kSize) {
    return openssl_error(Code::internal, "cannot encode a signature");
  }
  return out;
}

/// Empty where it cannot be one.
std::string to_der_signature(std::string_view plain) {
  if (plain.size() != 2 * kCoordinateSize) {
    return {};
  }
  const SignaturePtr signature(ECDSA_SIG_new());
  constexpr int kSize = static_cast<int>(kCoordinateSize);
  BIGNUM* r = BN_bin2bn(data_of(plain), kSize, nullptr);
  BIGNUM* s = BN_bin2bn(data_of(plain) + kSize, kSize, nullptr);
  if (signature == nullptr || r == nullptr || s == nullptr ||
      ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) {
    return {};
  }
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

Result<std::string> sign(EVP_PKEY* key, std::string_view text) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  std::string der(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = der.size();
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), data_of(der), &size, data_of(text), text.size()) != 1) {
    return openssl_error(Code::internal, "cannot sign a token");
  }
  der.resize(size);
  return to_plain_signature(der);
}

bool is_signed_with(EVP_PKEY* key, std::string_view text, std::string_view der) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  const bool is_good =
      context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), data_of(der), der.size(), data_of(text), text.size()) == 1;
  openssl_error(Code::unauthenticated, "");  // empties the queue
  return is_good;
}

/// Other curves have keys of the same size.
bool is_p256(EVP_PKEY* key) {
  std::array<char, 32> name{};
  return EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) == 1 &&
         std::string_view(name.data()) == SN_X9_62_prime256v1;
}

Error refusal(std::string text) {
  return {Code::unauthenticated, std::move(text)};
}

}  // namespace

struct TokenKeys::Key {
  KeyPtr key;
  std::string id;
  std::string x;  ///< coordinates of the public point, 32 bytes each
  std::string y;

  static Result<std::unique_ptr<Key>> from(KeyPtr key) {
    auto out = std::make_unique<Key>();
    unsigned char* point = nullptr;
    const auto size = EVP_PKEY_get1_encoded_public_key(key.get(), &point);
    const std::string encoded(reinterpret_cast<const char*>(point), size);
    OPENSSL_free(point);
    constexpr char kUncompressed = 4;
    if (!is_p256(key.get()) || encoded.size() != 1 + 2 * kCoordinateSize ||
        encoded[0] != kUncompressed) {
      return openssl_error(Code::invalid, "a key for tokens has to be of P-256");
    }
    out->x = encoded.substr(1, kCoordinateSize);
    out->y = encoded.substr(1 + kCoordinateSize);
    // Source: Kubernetes, pkg/serviceaccount/jwt.go, keyIDFromPublicKey: the hash of the public
    // key's DER.
    TRY(const auto der, public_key_der(key.get()));
    out->id = base64url_encode(sha256(der));
    out->key = std::move(key);
    return out;
  }
};

/// The keys of now. Whoever uses them keeps them through a replacement.
struct TokenKeys::State {
  mutable std::mutex mutex;  // guards keys
  std::shared_ptr<const Keys> keys;
};

TokenKeys::TokenKeys(Keys keys) : state_(std::make_unique<State>()) {
  state_->keys = std::make_shared<const Keys>(std::move(keys));
}

std::shared_ptr<const TokenKeys::Keys> TokenKeys::keys() const {
  const std::lock_guard lock(state_->mutex);
  return state_->keys;
}

void TokenKeys::replace(TokenKeys fresh) {
  const auto keys = fresh.keys();
  const std::lock_guard lock(state_->mutex);
  state_->keys = keys;
}

TokenKeys::~TokenKeys() = default;
TokenKeys::TokenKeys(TokenKeys&&) noexcept = default;
TokenKeys& TokenKeys::operator=(TokenKeys&&) noexcept = default;

Identity TokenClaims::identity() const {
  Identity out{
      .user = subject,
      .uid = service_account.uid,
      .groups = {
          "system:serviceaccounts", "system:serviceaccounts:" + ns, std::string(kAuthenticated)}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) {
      out.extra["authentication.kubernetes.io/" + std::string(name)] = {value};
    }
  };
  add("credential-id", id.empty() ? "" : "JTI=" + id);
  add("pod-name", pod.name);
  add("pod-uid", pod.uid);
  add("node-name", node.name);
  add("node-uid", node.uid);
  return out;
}

Result<TokenKeys> TokenKeys::create() {
  TRY(auto key, make_p256_key());
  std::vector<std::unique_ptr<Key>> keys(1);
  TRY(keys[0], Key::from(std::move(key)));
  return TokenKeys(std::move(keys));
}

Result<TokenKeys> TokenKeys::from_pem(std::string_view private_keys_pem) {
  if (private_keys_pem.size() > kPemSizeMax) {
    return Error{Code::too_large, "the keys for tokens are larger than 64 KiB"};
  }
  std::vector<std::unique_ptr<Key>> keys;
  for (auto rest = private_keys_pem; rest.find("-----BEGIN") != std::string_view::npos;) {
    const auto end = rest.find(kPemEnd);
    if (end == std::string_view::npos) {
      return Error{Code::invalid, "the keys for tokens are not PEM blocks of PRIVATE KEY"};
    }
    TRY(auto key, key_from_pem(rest.substr(0, end + kPemEnd.size())));
    TRY(auto checked, Key::from(std::move(key)));
    keys.push_back(std::move(checked));
    rest.remove_prefix(end + kPemEnd.size());
  }
  if (keys.empty()) {
    return Error{Code::invalid, "there is no private key for tokens"};
  }
  return TokenKeys(std::move(keys));
}

Result<TokenKeys> TokenKeys::load_or_create(const std::string& path) {
  TRY(const auto pem, read_file_if_present(path));
  if (pem) {
    return from_pem(*pem);
  }
  TRY(auto made, create());
  TRY(const auto text, made.to_pem());
  TRY_STATUS(write_file_atomically(path, text));
  return made;
}

Result<TokenKeys> TokenKeys::rotated() const {
  TRY(const auto fresh, make_p256_key());
  TRY(auto pem, key_to_pem(fresh.get()));
  TRY(const auto old_pem, to_pem());
  return from_pem(pem + old_pem);
}

Result<std::string> TokenKeys::to_pem() const {
  std::string out;
  const auto all = keys();
  for (const auto& key : *all) {
    TRY(const auto pem, key_to_pem(key->key.get()));
    out += pem;
  }
  return out;
}

Result<std::string> TokenKeys::issue(const TokenClaims& claims) const {
  const auto all = keys();
  const Key& key = *all->front();
  std::string token = base64url_encode(write_header({std::string(kAlgorithm), key.id})) + "." +
                      base64url_encode(write_claims(claims));
  TRY(const auto signature, sign(key.key.get(), token));
  return token + "." + base64url_encode(signature);
}

Result<TokenClaims> TokenKeys::verify(std::string_view token,
                                      std::string_view issuer,
                                      std::string_view audience,
                                      TimePoint now) const {
  TRY(const auto parts, split_token(token));
  const auto header_json = base64url_decode(parts.header);
  const auto claims_json = base64url_decode(parts.claims);
  const auto signature = base64url_decode(parts.signature);
  if (!header_json.ok() || !claims_json.ok() || !signature.ok()) {
    return refusal("malformed token: a part is not base64url");
  }
  TRY(const auto header, read_header(*header_json));
  if (header.algorithm != kAlgorithm) {
    return refusal("unexpected signature algorithm \"" + header.algorithm +
                   "\"; expected \"ES256\"");
  }
  const auto der = to_der_signature(*signature);
  bool is_known = false;
  bool is_good = false;
  const auto all = keys();
  for (const auto& key : *all) {
    if (header.key_id.empty() || header.key_id == key->id) {
      is_known = true;
      is_good = is_good || is_signed_with(key->key.get(), parts.signed_text, der);
    }
  }
  if (!is_good) {
    return refusal(is_known ? "invalid signature"
                            : "the token is signed with a key that is not known here");
  }
  TRY(auto claims, read_claims(*claims_json));
  TRY_STATUS(check_claims(claims, issuer, audience, now));
  return claims;
}

std::string TokenKeys::jwks() const {
  std::string out;
  const auto all = keys();
  for (const auto& key : *all) {
    out += (out.empty() ? "{\"keys\":[" : ",") +
           std::string("{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"") + key->id +
           "\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"x\":\"" + base64url_encode(key->x) +
           "\",\"y\":\"" + base64url_encode(key->y) + "\"}";
  }
  return out + "]}";
}

}  // namespace tetrarch::trust
