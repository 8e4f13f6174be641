// SPDX-License-Identifier: Apache-2.0
#include "trust/at_rest.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "base/encoding.h"
#include "trust/openssl.h"
#include "trust/secret_file.h"

namespace tetrarch::trust {
namespace {

constexpr std::string_view kMagic = "TtS\x01";  // the last byte is the version
constexpr std::size_t kIdSize = 4;
constexpr std::size_t kHeadSize = 8;  ///< magic and key id
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kPlainSizeMax = std::size_t{1} << 30;
constexpr std::string_view kFileHead = "tetrarch-keys-1\n";

unsigned char* data_of(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// Looked up once: each look-up of an algorithm by OpenSSL 3 costs more than sealing a small value.
const EVP_CIPHER* cipher() {
  static const std::unique_ptr<EVP_CIPHER, OpensslFree<EVP_CIPHER_free>> gcm(
      EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  CHECK(gcm != nullptr);
  return gcm.get();
}

std::string id_bytes(std::uint32_t id) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>((id >> shift) & 0xff);
  }
  return out;
}

std::uint32_t id_of(std::string_view head) {
  std::uint32_t id = 0;
  for (const char c : head.substr(kMagic.size(), kIdSize)) {
    id = (id << 8) | static_cast<unsigned char>(c);
  }
  return id;
}

}  // namespace

KeyRing::~KeyRing() {
  for (auto& key : keys_) {
    OPENSSL_cleanse(key.bytes.data(), key.bytes.size());
  }
}

KeyRing::KeyRing(KeyRing&&) noexcept = default;
KeyRing& KeyRing::operator=(KeyRing&&) noexcept = default;

KeyRing KeyRing::create(Random& random) {
  return KeyRing(std::vector<Key>()).rotated(random);
}

KeyRing KeyRing::rotated(Random& random) const {
  const auto is_taken = [&](std::uint32_t id) {
    return std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) { return key.id == id; });
  };
  Key fresh{.id = static_cast<std::uint32_t>(random.next()), .bytes = make_bytes(random, kKeySize)};
  while (is_taken(fresh.id)) {
    ++fresh.id;
  }
  std::vector<Key> keys;
  keys.push_back(std::move(fresh));
  keys.insert(keys.end(), keys_.begin(), keys_.end());
  return KeyRing(std::move(keys));
}

Result<KeyRing> KeyRing::load_or_create(const std::string& path, Random& random) {
  TRY(auto text, read_file_if_present(path));
  if (text) {
    auto ring = from_text(*text);
    OPENSSL_cleanse(text->data(), text->size());
    return ring;
  }
  auto ring = create(random);
  TRY_STATUS(ring.save(path));
  return ring;
}

Status KeyRing::save(const std::string& path) const {
  auto text = to_text();
  auto status = write_file_atomically(path, text);
  OPENSSL_cleanse(text.data(), text.size());
  return status;
}

std::string KeyRing::to_text() const {
  std::string out(kFileHead);
  for (const auto& key : keys_) {
    out += hex_encode(id_bytes(key.id)) + " " + base64_encode(key.bytes) + "\n";
  }
  return out;
}

Result<KeyRing> KeyRing::from_text(std::string_view text) {
  const Error refusal{Code::invalid, "the file of the keys for encryption at rest is damaged"};
  if (!text.starts_with(kFileHead)) {
    return refusal;
  }
  text.remove_prefix(kFileHead.size());
  std::vector<Key> keys;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    Key key;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), key.id, 16);
    const auto digits = static_cast<std::size_t>(rest - line.data());
    if (error != std::errc{} || digits != 2 * kIdSize || line.size() <= digits ||
        line[digits] != ' ') {
      return refusal;
    }
    auto bytes = base64_decode(line.substr(digits + 1));
    if (!bytes.ok() || bytes->size() != kKeySize) {
      return refusal;
    }
    key.bytes = std::move(*bytes);
    keys.push_back(std::move(key));
  }
  if (keys.empty()) {
    return refusal;
  }
  return KeyRing(std::move(keys));
}

bool KeyRing::is_sealed(std::string_view bytes) {
  return bytes.starts_with(kMagic);
}

bool KeyRing::is_stale(std::string_view bytes) const {
  return !is_sealed(bytes) || bytes.size() < kHeadSize || id_of(bytes) != keys_.front().id;
}

std::string KeyRing::seal(std::string_view context, std::string_view plain) const {
  CHECK(plain.size() <= kPlainSizeMax && context.size() <= kPlainSizeMax);
  const Key& key = keys_.front();
  std::string out(kHeadSize + kNonceSize + plain.size() + kTagSize, '\0');
  out.replace(0, kMagic.size(), kMagic);
  out.replace(kMagic.size(), kIdSize, id_bytes(key.id));
  unsigned char* const nonce = data_of(out) + kHeadSize;
  unsigned char* const text = nonce + kNonceSize;
  unsigned char* const tag = text + plain.size();
  const CipherContextPtr state(EVP_CIPHER_CTX_new());
  int size = 0;
  int rest = 0;
  // Nothing here depends on input: a failure is OpenSSL's, and going on without encryption is no
  // choice.
  CHECK(state != nullptr && RAND_bytes(nonce, kNonceSize) == 1);
  CHECK(EVP_EncryptInit_ex2(
            state.get(), cipher(), data_of(std::string_view(key.bytes)), nonce, nullptr) == 1);
  CHECK(EVP_EncryptUpdate(state.get(), nullptr, &size, data_of(out), kHeadSize) == 1);
  CHECK(EVP_EncryptUpdate(
            state.get(), nullptr, &size, data_of(context), static_cast<int>(context.size())) == 1);
  CHECK(EVP_EncryptUpdate(
            state.get(), text, &size, data_of(plain), static_cast<int>(plain.size())) == 1);
  CHECK(EVP_EncryptFinal_ex(state.get(), text + size, &rest) == 1);
  CHECK(static_cast<std::size_t>(size + rest) == plain.size());
  CHECK(EVP_CIPHER_CTX_ctrl(state.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag) == 1);
  return out;
}

Result<std::string> KeyRing::open(std::string_view context, std::string_view sealed) const {
  if (!is_sealed(sealed) || sealed.size() < kHeadSize + kNonceSize + kTagSize ||
      sealed.size() > kPlainSizeMax + kHeadSize + kNonceSize + kTagSize ||
      context.size() > kPlainSizeMax) {
    return Error{Code::internal, "a value at rest is not an envelope of this version"};
  }
  const auto id = id_of(sealed);
  const auto key =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key& one) { return one.id == id; });
  if (key == keys_.end()) {
    return Error{Code::internal,
                 "a value at rest is sealed with a key that is not in the key ring"};
  }
  const auto nonce = sealed.substr(kHeadSize, kNonceSize);
  const auto text =
      sealed.substr(kHeadSize + kNonceSize, sealed.size() - kHeadSize - kNonceSize - kTagSize);
  std::string tag(sealed.substr(sealed.size() - kTagSize));
  std::string plain(text.size(), '\0');
  const CipherContextPtr state(EVP_CIPHER_CTX_new());
  int size = 0;
  int rest = 0;
  const auto feed = [&](unsigned char* out, std::string_view bytes) {
    return EVP_DecryptUpdate(
               state.get(), out, &size, data_of(bytes), static_cast<int>(bytes.size())) == 1;
  };
  const bool is_good =
      state != nullptr &&
      EVP_DecryptInit_ex2(
          state.get(), cipher(), data_of(std::string_view(key->bytes)), data_of(nonce), nullptr) ==
          1 &&
      feed(nullptr, sealed.substr(0, kHeadSize)) && feed(nullptr, context) &&
      feed(data_of(plain), text) &&
      EVP_CIPHER_CTX_ctrl(state.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(state.get(), data_of(plain) + size, &rest) == 1;
  if (!is_good) {
    openssl_error(Code::internal, "");  // empties the queue
    return Error{Code::internal,
                 "a value at rest was changed, or belongs to another key of the store"};
  }
  return plain;
}

}  // namespace tetrarch::trust
