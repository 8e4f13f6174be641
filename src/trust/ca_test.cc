// SPDX-License-Identifier: Apache-2.0
#include "trust/ca.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "trust/kubeconfig.h"
#include "trust/secret_file.h"

namespace tetrarch::trust {
namespace {

using std::chrono::hours;

constexpr TimePoint kNow{std::chrono::seconds(1'795'000'000)};

/// A directory of the test's own, gone with it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "tetrarch-trust-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }

  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return path_ + "/" + name; }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

CertificateAuthority make_ca(std::string_view name = "test-ca") {
  auto ca = CertificateAuthority::create(name, kNow);
  EXPECT_TRUE(ca.ok()) << ca.error().message;
  return std::move(*ca);
}

unsigned mode_of(const std::string& path) {
  return static_cast<unsigned>(std::filesystem::status(path).permissions());
}

TEST(CertificateAuthority, IsACaThatIsValidFromFiveMinutesAgo) {
  const auto ca = make_ca();

  const auto info = *read_certificate(ca.certificate_pem());

  EXPECT_TRUE(info.is_ca);
  EXPECT_EQ(info.subject.common_name, "test-ca");
  EXPECT_EQ(info.not_before, kNow - kClockSkew);
  EXPECT_EQ(info.not_after, kNow + kCaValidity);
  EXPECT_EQ(ca.fingerprint(), *public_key_fingerprint(ca.certificate_pem()));
  EXPECT_EQ(ca.fingerprint().size(), 64U);
}

TEST(CertificateAuthority, IssuesServerCertificatesWithNames) {
  const auto ca = make_ca();
  const ServerNames names{.dns = {"kubernetes", "*.example.com"}, .ips = {"10.43.0.1", "fd00::1"}};

  const auto pair = ca.issue_server({.common_name = "api"}, names, kNow);

  ASSERT_TRUE(pair.ok()) << pair.error().message;
  const auto info = *read_certificate(pair->certificate_pem);
  EXPECT_EQ(info.names.dns, names.dns);
  EXPECT_EQ(info.names.ips, names.ips);
  EXPECT_TRUE(info.is_server);
  EXPECT_FALSE(info.is_client);
  EXPECT_FALSE(info.is_ca);
  EXPECT_TRUE(is_pair(*pair));
}

TEST(CertificateAuthority, IssuesClientCertificatesForUsersWithLongNames) {
  const auto ca = make_ca();
  const Subject subject{.common_name = "system:node:" + std::string(200, 'n'),
                        .organizations = {"system:nodes", "more, O=system:masters"}};

  const auto pair = ca.issue_client(subject, kNow, hours(2));

  ASSERT_TRUE(pair.ok()) << pair.error().message;
  const auto info = *read_certificate(pair->certificate_pem);
  EXPECT_EQ(info.subject, subject);
  EXPECT_EQ(info.not_after, kNow + hours(2));
  EXPECT_TRUE(info.is_client);
  EXPECT_FALSE(info.is_server);
}

TEST(CertificateAuthority, RefusesNamesThatACertificateCannotCarry) {
  const auto ca = make_ca();

  EXPECT_EQ(ca.issue_server({.common_name = "a"}, {.ips = {"not-an-ip"}}, kNow).error().message,
            "not an IP address: not-an-ip");
  EXPECT_FALSE(ca.issue_server({.common_name = "a"}, {.dns = {"a,IP:1.2.3.4"}}, kNow).ok());
  EXPECT_FALSE(ca.issue_client({.common_name = ""}, kNow).ok());
}

TEST(CertificateAuthority, NeverOutlivesItself) {
  const auto ca = make_ca();

  const auto late = kNow + kCaValidity - hours(1);
  const auto pair = ca.issue_client({.common_name = "a"}, late);

  EXPECT_EQ(read_certificate(pair->certificate_pem)->not_after, kNow + kCaValidity);
  EXPECT_FALSE(ca.issue_client({.common_name = "a"}, kNow + kCaValidity).ok());
}

TEST(CertificateAuthority, SignsARequestWithTheSubjectThatTheServerDecides) {
  const auto ca = make_ca();
  const auto request =
      *make_signing_request({.common_name = "admin", .organizations = {"system:masters"}});
  const Subject decided{.common_name = "system:node:one", .organizations = {"system:nodes"}};

  const auto certificate = ca.sign(request.csr_pem, decided, {}, kNow);
  const auto serving = ca.sign(request.csr_pem, decided, {.dns = {"one"}}, kNow);

  ASSERT_TRUE(certificate.ok()) << certificate.error().message;
  EXPECT_EQ(read_certificate(*certificate)->subject, decided);
  EXPECT_TRUE(is_pair({*certificate, request.key_pem}));
  EXPECT_FALSE(read_certificate(*certificate)->is_server);
  EXPECT_TRUE(read_certificate(*serving)->is_server);
  EXPECT_TRUE(read_certificate(*serving)->is_client);
}

TEST(CertificateAuthority, RefusesRequestsThatAreChangedOrNone) {
  const auto ca = make_ca();
  const auto request = *make_signing_request({.common_name = "a"});
  const auto begin = request.csr_pem.find('\n') + 1;
  const auto end = request.csr_pem.find("-----END");
  auto der = *base64_decode(request.csr_pem.substr(begin, end - begin));
  der.back() = static_cast<char>(der.back() ^ 1);  // in the signature

  const auto changed = "-----BEGIN CERTIFICATE REQUEST-----\n" + base64_encode(der) +
                       "\n-----END CERTIFICATE REQUEST-----\n";
  for (const auto& bad :
       {changed, std::string("junk"), std::string(), std::string(1 << 20, 'x'), request.key_pem}) {
    const auto refused = ca.sign(bad, {.common_name = "a"}, {}, kNow);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::invalid);
  }
}

TEST(CertificateAuthority, IsMadeOnceAndLoadedFromThenOn) {
  const TemporaryDirectory directory;

  const auto first = CertificateAuthority::load_or_create(directory.path(), "ca", kNow);
  const auto second = CertificateAuthority::load_or_create(directory.path(), "ca", kNow + hours(1));

  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->certificate_pem(), second->certificate_pem());
  EXPECT_EQ(mode_of(directory.file("ca.key")), 0600U);
}

TEST(CertificateAuthority, KeepsItsFingerprintWhenOnlyTheKeyIsLeft) {
  const TemporaryDirectory directory;
  const auto fingerprint =
      CertificateAuthority::load_or_create(directory.path(), "ca", kNow)->fingerprint();

  std::filesystem::remove(directory.file("ca.crt"));
  const auto again = CertificateAuthority::load_or_create(directory.path(), "ca", kNow);

  EXPECT_EQ(again->fingerprint(), fingerprint);
}

TEST(CertificateAuthority, RefusesFilesThatDoNotBelongTogether) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(CertificateAuthority::load_or_create(directory.path(), "a", kNow).ok());
  ASSERT_TRUE(CertificateAuthority::load_or_create(directory.path(), "b", kNow).ok());

  std::filesystem::copy_file(directory.file("a.crt"), directory.file("c.crt"));
  EXPECT_FALSE(CertificateAuthority::load_or_create(directory.path(), "c", kNow).ok()) << "no key";
  std::filesystem::copy_file(directory.file("b.key"), directory.file("c.key"));
  EXPECT_FALSE(CertificateAuthority::load_or_create(directory.path(), "c", kNow).ok())
      << "another's key";
}

TEST(CertificateAuthority, RefusesToBeMadeFromAnOrdinaryCertificate) {
  const auto pair = *make_ca().issue_client({.common_name = "a"}, kNow);

  EXPECT_FALSE(CertificateAuthority::from_pem(pair).ok());
}

TEST(Certificate, IsDueForRotationAfterTwoThirdsOfItsLife) {
  const auto pair = *make_ca().issue_client({.common_name = "a"}, kNow, hours(30));

  EXPECT_FALSE(is_due_for_rotation(pair.certificate_pem, kNow + hours(19)));
  EXPECT_TRUE(is_due_for_rotation(pair.certificate_pem, kNow + hours(21)));
  EXPECT_TRUE(is_due_for_rotation("junk", kNow));
}

TEST(Certificate, OfAnotherKeyIsNoPair) {
  const auto ca = make_ca();
  const auto a = *ca.issue_client({.common_name = "a"}, kNow);
  const auto b = *ca.issue_client({.common_name = "b"}, kNow);

  EXPECT_FALSE(is_pair({a.certificate_pem, b.key_pem}));
  EXPECT_FALSE(is_pair({"", ""}));
}

TEST(SecretFile, ReplacesAtomicallyAndReadsBack) {
  const TemporaryDirectory directory;
  const auto path = directory.file("secret");
  std::ofstream(path + ".tmp") << "left by a crash";

  ASSERT_TRUE(write_file_atomically(path, "one").ok());
  ASSERT_TRUE(write_file_atomically(path, "two").ok());

  EXPECT_EQ(*read_file(path), "two");
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
  EXPECT_FALSE(read_file_if_present(directory.file("none"))->has_value());
  EXPECT_EQ(read_file(directory.file("none")).error().code, Code::not_found);
  EXPECT_FALSE(write_file_atomically(directory.file("no/such/place"), "x").ok());
}

TEST(Kubeconfig, HoldsEverythingInline) {
  const auto text = make_kubeconfig({.server = "https://127.0.0.1:6443",
                                     .ca_pem = "CA",
                                     .user = "ad\"min",
                                     .credentials = {"CERT", "KEY"}});

  EXPECT_EQ(text,
            "apiVersion: v1\nkind: Config\n"
            "clusters:\n- name: \"tetrarch\"\n  cluster:\n    server: \"https://127.0.0.1:6443\"\n"
            "    certificate-authority-data: Q0E=\n"
            "users:\n- name: \"ad\\\"min\"\n  user:\n    client-certificate-data: Q0VSVA==\n"
            "    client-key-data: S0VZ\n"
            "contexts:\n- name: \"ad\\\"min@tetrarch\"\n  context:\n    cluster: \"tetrarch\"\n"
            "    user: \"ad\\\"min\"\n"
            "current-context: \"ad\\\"min@tetrarch\"\n");
}

}  // namespace
}  // namespace tetrarch::trust
