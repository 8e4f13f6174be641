// SPDX-License-Identifier: Apache-2.0
// Certificates, requests and keys as somebody may send them who means harm or made a mistake.
#include <array>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ui.h>
#include <openssl/x509v3.h>

#include "trust/ca.h"
#include "trust/certificate.h"
#include "trust/openssl.h"
#include "trust/service_account_token.h"

namespace tetrarch::trust {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr TimePoint kNow{std::chrono::seconds(1'795'000'000)};

CertificateAuthority make_ca() {
  return CertificateAuthority::create("test-ca", kNow).value();
}

Result<CertificatePtr> self_signed(const Subject& subject, EVP_PKEY* key) {
  const CertificateTerms terms{
      .subject = subject, .not_before = kNow, .not_after = kNow, .is_ca = true};
  return make_certificate(terms, key, nullptr, key);
}

/// A certificate signed by itself, with an extension as these bytes of DER.
std::string certificate_with(int nid, std::string_view der) {
  const auto key = make_p256_key().value();
  const auto result = self_signed({"x"}, key.get());
  EXPECT_TRUE(result.ok()) << result.error().message;
  const auto& made = *result;
  ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(
      value, reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size()));
  const ExtensionPtr extension(X509_EXTENSION_create_by_NID(nullptr, nid, 0, value));
  ASN1_OCTET_STRING_free(value);
  EXPECT_EQ(X509_add_ext(made.get(), extension.get(), -1), 1);
  EXPECT_NE(X509_sign(made.get(), key.get(), EVP_sha256()), 0);
  return certificate_to_pem(made.get()).value();
}

struct AddressRow {
  std::string_view name;
  std::string_view bytes;  ///< of one iPAddress
  std::string_view text;   ///< empty: it is none
};

void PrintTo(const AddressRow& row, std::ostream* out) {
  *out << row.name;
}

class AddressTest : public testing::TestWithParam<AddressRow> {};

TEST_P(AddressTest, IsReadByItsLength) {
  // Source: RFC 5280, section 4.2.1.6: GeneralNames, iPAddress is [7].
  const auto& bytes = GetParam().bytes;
  std::string der = {0x30, static_cast<char>(bytes.size() + 2), static_cast<char>(0x87)};
  der += static_cast<char>(bytes.size());
  der += bytes;

  const auto info = read_certificate(certificate_with(NID_subject_alt_name, der));

  ASSERT_TRUE(info.ok()) << info.error().message;
  if (GetParam().text.empty()) {
    EXPECT_THAT(info->names.ips, IsEmpty());
  } else {
    EXPECT_THAT(info->names.ips, ElementsAre(GetParam().text));
  }
}

constexpr auto kAddresses = std::to_array<AddressRow>({
    {"of_four_bytes", {"\x0a\x00\x00\x01", 4}, "10.0.0.1"},
    {"of_sixteen_bytes", {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16}, "::1"},
    {"of_no_byte", {"", 0}, ""},
    {"of_one_byte", {"\x0a", 1}, ""},
    {"of_five_bytes", {"\x0a\x00\x00\x01\xff", 5}, ""},
    {"of_eight_bytes_as_constraints_have", {"\x0a\0\0\0\xff\0\0\0", 8}, ""},
    {"of_seventeen_bytes", {"0123456789abcdefg", 17}, ""},
});

INSTANTIATE_TEST_SUITE_P(Table, AddressTest, testing::ValuesIn(kAddresses), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(HostileCertificate, WithNamesThatAreNoneHasNone) {
  const auto info = read_certificate(certificate_with(NID_subject_alt_name, "junk"));

  ASSERT_TRUE(info.ok());
  EXPECT_THAT(info->names.dns, IsEmpty());
  EXPECT_THAT(info->names.ips, IsEmpty());
}

TEST(HostileCertificate, KeepsTheNulByteInANameSoThatItMatchesNobody) {
  const auto key = make_p256_key().value();
  const Subject subject{std::string("admin\0.evil", 11), {"system:masters"}};

  const auto made = self_signed(subject, key.get());

  ASSERT_TRUE(made.ok());
  EXPECT_EQ(describe(made->get()).subject, subject);
}

/// Whether OpenSSL asks anybody for a password while this lives.
class Prompts {
 public:
  Prompts() : method_(UI_create_method("test")), before_(UI_get_default_method()) {
    asked_ = 0;
    UI_method_set_opener(method_, [](UI*) {
      ++asked_;
      return 0;
    });
    UI_set_default_method(method_);
  }

  ~Prompts() {
    UI_set_default_method(before_);
    UI_destroy_method(method_);
  }

  Prompts(const Prompts&) = delete;
  Prompts& operator=(const Prompts&) = delete;

  static int asked() { return asked_; }

 private:
  UI_METHOD* method_;
  const UI_METHOD* before_;
  inline static int asked_ = 0;
};

/// The same block, said to be encrypted. Source: RFC 1421, section 4.6.1.
std::string encrypted(std::string pem) {
  pem.insert(pem.find('\n') + 1,
             "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n");
  return pem;
}

TEST(HostilePem, ThatIsEncryptedAsksNobodyForAPassword) {
  const auto ca = make_ca();
  const auto request = make_signing_request({"n"}).value();
  const Prompts prompts;

  EXPECT_FALSE(ca.sign(encrypted(request.csr_pem), {"n"}, {}, kNow).ok());
  EXPECT_FALSE(read_certificate(encrypted(ca.certificate_pem())).ok());
  EXPECT_FALSE(is_pair({ca.certificate_pem(), encrypted(request.key_pem)}));
  EXPECT_FALSE(TokenKeys::from_pem(encrypted(request.key_pem)).ok());

  EXPECT_EQ(Prompts::asked(), 0);
}

std::string request_of(EVP_PKEY* key) {
  const RequestPtr request(X509_REQ_new());
  const auto name = make_name({"n"}).value();
  X509_REQ_set_subject_name(request.get(), name.get());
  X509_REQ_set_pubkey(request.get(), key);
  X509_REQ_sign(request.get(), key, EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return text_of(bio.get());
}

TEST(HostileRequest, WithAWeakKeyIsRefused) {
  const KeyPtr weak(EVP_RSA_gen(1024));
  const KeyPtr small(EVP_EC_gen("P-192"));

  for (const auto* key : {&weak, &small}) {
    const auto refused = make_ca().sign(request_of(key->get()), {"n"}, {}, kNow);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("too weak or unknown"));
  }
}

TEST(HostileRequest, WithAnotherGoodKeyIsSigned) {
  const KeyPtr rsa(EVP_RSA_gen(2048));

  const auto made = make_ca().sign(request_of(rsa.get()), {"n"}, {}, kNow);

  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(read_certificate(*made)->subject, Subject{"n"});
}

TEST(HostileRequest, ForTheKeyOfAnotherIsRefused) {
  const auto mine = make_p256_key().value();
  const auto theirs = make_p256_key().value();
  const RequestPtr request(X509_REQ_new());
  const auto name = make_name({"n"}).value();
  X509_REQ_set_subject_name(request.get(), name.get());
  X509_REQ_set_pubkey(request.get(), theirs.get());
  X509_REQ_sign(request.get(), mine.get(), EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());

  const auto refused = make_ca().sign(text_of(bio.get()), {"n"}, {}, kNow);

  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("not signed with its own key"));
}

struct CurveRow {
  std::string_view name;
  const char* curve;
  bool is_taken;
};

void PrintTo(const CurveRow& row, std::ostream* out) {
  *out << row.name;
}

class TokenCurveTest : public testing::TestWithParam<CurveRow> {};

TEST_P(TokenCurveTest, IsP256AndNoOtherOfItsSize) {
  const KeyPtr key(EVP_EC_gen(GetParam().curve));
  ASSERT_NE(key, nullptr);

  const auto keys = TokenKeys::from_pem(key_to_pem(key.get()).value());

  EXPECT_EQ(keys.ok(), GetParam().is_taken);
  if (!keys.ok()) {
    EXPECT_THAT(keys.error().message, HasSubstr("has to be of P-256"));
  }
}

constexpr auto kCurves = std::to_array<CurveRow>({
    {"p256", "P-256", true},
    {"secp256k1", "secp256k1", false},
    {"brainpool", "brainpoolP256r1", false},
    {"p384", "P-384", false},
});

INSTANTIATE_TEST_SUITE_P(Table, TokenCurveTest, testing::ValuesIn(kCurves), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(HostileKeys, ForTokensThatAreNoCurveAreRefused) {
  const KeyPtr rsa(EVP_RSA_gen(2048));

  const auto keys = TokenKeys::from_pem(key_to_pem(rsa.get()).value());

  ASSERT_FALSE(keys.ok());
  EXPECT_EQ(keys.error().code, Code::invalid);
}

TEST(HostileKeys, BeyondAllSizeAreRefused) {
  const auto refused = TokenKeys::from_pem(std::string((std::size_t{64} << 10) + 1, 'x'));

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::too_large);
}

}  // namespace
}  // namespace tetrarch::trust
