// SPDX-License-Identifier: Apache-2.0
// The cluster's certificate authority: made at the first start, kept in the data directory, signs
// what servers, clients and agents show each other. EC P-256 throughout.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tetrarch::trust {

/// A certificate and its private key, as PEM.
struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

/// Who a client certificate speaks for: CN is the user, each O a group.
struct Subject {
  std::string common_name;
  std::vector<std::string> organizations = {};
  bool operator==(const Subject&) const = default;
};

struct ServerNames {
  std::vector<std::string> dns = {};
  std::vector<std::string> ips = {};  ///< textual, IPv4 or IPv6
};

struct SigningRequest {
  std::string key_pem;  ///< stays with the one who asks
  std::string csr_pem;
};

/// What a request asks for; that it is signed with its own key has been checked.
struct RequestInfo {
  Subject subject;
  ServerNames names;
  bool has_other_names = false;  ///< e-mail addresses, URIs
};

/// What the server decided to put into a certificate.
struct IssueTerms {
  Subject subject;
  ServerNames names = {};
  bool is_client = false;  ///< extended key usage
  bool is_server = false;
};

struct CertificateInfo {
  Subject subject;
  ServerNames names;
  TimePoint not_before;
  TimePoint not_after;
  bool is_ca = false;
  bool is_client = false;  ///< extended key usage
  bool is_server = false;
};

inline constexpr std::chrono::hours kCaValidity{24 * 365 * 10};
inline constexpr std::chrono::hours kCertificateValidity{24 * 365};
/// Certificates start this long ago, for machines whose clocks are behind.
inline constexpr std::chrono::minutes kClockSkew{5};

/// Immutable; thread-safe.
class CertificateAuthority {
 public:
  /// A new CA with a new key.
  static Result<CertificateAuthority> create(std::string_view common_name, TimePoint now);
  /// Reads `<directory>/<name>.crt` and `.key`; makes and saves them where neither is there. A key
  /// alone gets a new certificate: its fingerprint stays. Error: unreadable, not a pair, no CA, or
  /// a certificate without its key.
  static Result<CertificateAuthority> load_or_create(const std::string& directory,
                                                     std::string_view name,
                                                     TimePoint now);
  static Result<CertificateAuthority> from_pem(const KeyPair& pair);
  ~CertificateAuthority();
  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;

  const std::string& certificate_pem() const;
  /// SHA-256 of the subject public key info, in hexadecimal: what a join token carries.
  const std::string& fingerprint() const;

  Result<KeyPair> issue_server(const Subject& subject,
                               const ServerNames& names,
                               TimePoint now,
                               std::chrono::seconds validity = kCertificateValidity) const;
  Result<KeyPair> issue_client(const Subject& subject,
                               TimePoint now,
                               std::chrono::seconds validity = kCertificateValidity) const;
  /// Signs a request: proves that the asker has the key, and takes nothing else from it. Subject
  /// and names are what the server decided; with names it is a server certificate too. Error
  /// (Code::invalid): the request is bad.
  Result<std::string> sign(std::string_view csr_pem,
                           const Subject& subject,
                           const ServerNames& names,
                           TimePoint now,
                           std::chrono::seconds validity = kCertificateValidity) const;
  Result<std::string> sign(std::string_view csr_pem,
                           const IssueTerms& terms,
                           TimePoint now,
                           std::chrono::seconds validity) const;

 private:
  struct State;
  explicit CertificateAuthority(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A new key and a request for it; the agent's side of `sign`.
Result<SigningRequest> make_signing_request(const Subject& subject);

/// Error (Code::invalid): not one PEM block of a request, its key is weak, or it is not signed with
/// it.
Result<RequestInfo> read_signing_request(std::string_view csr_pem);
Result<CertificateInfo> read_certificate(std::string_view pem);
/// SHA-256 of the certificate's subject public key info, in hexadecimal.
Result<std::string> public_key_fingerprint(std::string_view certificate_pem);
/// Past two thirds of its life, or not readable.
bool is_due_for_rotation(std::string_view certificate_pem, TimePoint now);
/// Whether the key belongs to the certificate.
bool is_pair(const KeyPair& pair);

}  // namespace tetrarch::trust
