// SPDX-License-Identifier: Apache-2.0
// Certificates, requests and keys of others, as PEM or as the DER inside: refused, or described and
// signed without a fall.
#include <array>
#include <string>

#include "base/check.h"
#include "base/encoding.h"
#include "input.h"
#include "trust/ca.h"

using namespace tetrarch;
using namespace tetrarch::trust;

namespace {

constexpr TimePoint kNow{std::chrono::seconds(1'795'000'000)};

const CertificateAuthority& ca() {
  static const auto made = CertificateAuthority::create("fuzz", kNow).value();
  return made;
}

std::string pem_of(std::string_view label, std::string_view der) {
  std::string out = "-----BEGIN " + std::string(label) + "-----\n";
  for (std::string text = base64_encode(der); !text.empty(); text.erase(0, 64)) {
    out += text.substr(0, 64) + "\n";
  }
  return out + "-----END " + std::string(label) + "-----\n";
}

void try_certificate(const std::string& pem) {
  const auto info = read_certificate(pem);
  const auto fingerprint = public_key_fingerprint(pem);
  CHECK(info.ok() || !fingerprint.ok());
  static_cast<void>(is_due_for_rotation(pem, kNow));
  static_cast<void>(is_pair({pem, pem}));
}

void try_request(const std::string& pem) {
  const auto signed_one = ca().sign(pem, {"node", {}}, {}, kNow);
  if (!signed_one.ok()) {
    CHECK(signed_one.error().code == Code::invalid);
    return;
  }
  CHECK(read_certificate(*signed_one)->subject == Subject{"node"});
}

}  // namespace

/// The first byte: what it is, and whether it is in PEM.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto way = input.byte() % 6;
  const auto bytes = input.rest();
  constexpr auto kLabels =
      std::to_array<std::string_view>({"CERTIFICATE", "CERTIFICATE REQUEST", "PRIVATE KEY"});
  const auto what = way / 2;
  const auto pem = way % 2 == 0 ? std::string(bytes) : pem_of(kLabels[what], bytes);
  if (what == 0) {
    try_certificate(pem);
  } else if (what == 1) {
    try_request(pem);
  } else {
    static_cast<void>(is_pair({ca().certificate_pem(), pem}));
    CHECK(!CertificateAuthority::from_pem({ca().certificate_pem(), pem}).ok());
  }
  return 0;
}
