// SPDX-License-Identifier: Apache-2.0
#include "app/node_certificate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "app/machine.h"
#include "async/timer.h"
#include "base/encoding.h"
#include "base/log.h"
#include "object/writer.h"
#include "trust/bearer_tokens.h"
#include "trust/identity.h"

namespace tetrarch::app {
namespace {

using std::chrono::seconds;

constexpr std::string_view kRequests = "certificatesigningrequests.certificates.k8s.io";
// Ours: timers are bounded, so that a clock that is set is noticed.
constexpr seconds kLongestWait{3600};
constexpr seconds kRetry{15};
constexpr seconds kApprovalPause{5};
constexpr int kApprovalLooks = 120;
constexpr std::size_t kSuffix = 8;

constexpr std::string_view kKeyBegin = "-----BEGIN PRIVATE KEY-----";

/// Source: Kubernetes documentation, "Certificates and Certificate Signing Requests",
/// kubernetes.io/kube-apiserver-client-kubelet: the usages that it takes.
std::string request_json(const std::string& name, const std::string& csr_pem) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object()
      .field("kind", "CertificateSigningRequest")
      .field("apiVersion", "certificates.k8s.io/v1");
  writer.key("metadata").begin_object().field("name", name).end_object();
  writer.key("spec").begin_object().field("request", base64_encode(csr_pem));
  writer.field("signerName", "kubernetes.io/kube-apiserver-client-kubelet");
  writer.key("usages").begin_array().string("digital signature").string("client auth").end_array();
  writer.end_object().end_object();
  return out;
}

std::string_view denial_of(object::View request) {
  for (const auto condition : request["status"]["conditions"].elements()) {
    const auto type = condition["type"].string();
    if (type == "Denied" || type == "Failed") {
      return condition["message"].string(type);
    }
  }
  return {};
}

}  // namespace

Result<std::optional<trust::KeyPair>> read_pair(const JoinFiles& files) {
  trust::KeyPair pair;
  if (std::filesystem::exists(files.client())) {
    TRY(const auto text, read_file(files.client()));
    const auto key = text.find(kKeyBegin);
    if (key == std::string::npos) {
      return Error{Code::invalid, fmt::format("{} has no private key", files.client().string())};
    }
    pair = {text.substr(0, key), text.substr(key)};
  } else if (std::filesystem::exists(files.old_certificate())) {
    TRY(pair.certificate_pem, read_file(files.old_certificate()));
    TRY(pair.key_pem, read_file(files.old_key()));
  } else {
    return std::optional<trust::KeyPair>();
  }
  return std::optional(std::move(pair));
}

Status write_pair(const JoinFiles& files, const trust::KeyPair& pair) {
  TRY_STATUS(write_private_file(files.client(), pair.certificate_pem + pair.key_pem));
  std::error_code gone_already;
  std::filesystem::remove(files.old_certificate(), gone_already);
  std::filesystem::remove(files.old_key(), gone_already);
  return ok();
}

Result<bool> needs_to_join(const std::optional<trust::KeyPair>& kept,
                           std::string_view token,
                           TimePoint now) {
  if (!kept) {
    return true;
  }
  TRY(const auto certificate, trust::read_certificate(kept->certificate_pem));
  const bool has_ended = now >= certificate.not_after;
  if (has_ended && token.empty()) {
    return Error{Code::unauthenticated,
                 "the node's certificate has ended: start once with --token (tetrarch token "
                 "create)"};
  }
  return has_ended;
}

TimePoint renewal_time(const trust::CertificateInfo& certificate) {
  const auto begin = certificate.not_before + trust::kClockSkew;
  return begin + (certificate.not_after - begin) * 2 / 3;
}

CertificateRenewal::CertificateRenewal(Parts parts,
                                       std::string node,
                                       trust::KeyPair present,
                                       std::optional<JoinFiles> files)
    : parts_(std::move(parts)),
      node_(std::move(node)),
      present_(std::move(present)),
      files_(std::move(files)) {}

Task<void> CertificateRenewal::run() {
  while (true) {
    const auto info = trust::read_certificate(present_.certificate_pem);
    const auto now = parts_.clock.now();
    const auto due = info.ok() ? renewal_time(*info) : now;
    if (due > now) {
      const auto wait = std::min<std::chrono::nanoseconds>(due - now, kLongestWait);
      co_await async::sleep_for(wait);
      continue;
    }
    const auto renewed = co_await renew();
    if (!renewed.ok()) {
      log::warning(
          "agent", "the node's certificate is not renewed yet: {}", renewed.error().message);
      co_await async::sleep_for(kRetry);
    }
  }
}

Task<Status> CertificateRenewal::renew() {
  const trust::Subject subject{std::string(trust::kNodeUserPrefix) + node_,
                               {std::string(trust::kNodes)}};
  CO_TRY(auto request, trust::make_signing_request(subject));
  CO_TRY(auto certificate, co_await certificate_for(request.csr_pem));
  trust::KeyPair fresh{std::move(certificate), std::move(request.key_pem)};
  if (!trust::is_pair(fresh)) {
    co_return Error{Code::internal, "the server signed a certificate for another key"};
  }
  if (files_) {
    CO_TRY_STATUS(write_pair(*files_, fresh));
  }
  CO_TRY_STATUS(parts_.use(fresh));
  present_ = std::move(fresh);
  log::info("agent", "the node's certificate is renewed");
  co_return ok();
}

Task<Result<std::string>> CertificateRenewal::certificate_for(std::string csr_pem) {
  const auto name =
      fmt::format("node-{}-{}", node_, trust::make_token_text(parts_.random, kSuffix));
  const Key key{std::string(kRequests), "", name};
  auto document = Document::from_canonical(request_json(name, csr_pem));
  client::WriteOptions options;
  CO_TRY(auto request,
         co_await parts_.client.create(key.resource, "", std::move(document), std::move(options)));
  for (int looks = 0; looks < kApprovalLooks; ++looks) {
    const auto root = request.root();
    if (const auto text = root["status"]["certificate"].string(); !text.empty()) {
      auto certificate = base64_decode(text);
      co_return certificate;
    }
    if (const auto why = denial_of(root); !why.empty()) {
      co_return Error{Code::forbidden, fmt::format("request {} was refused: {}", name, why)};
    }
    co_await async::sleep_for(kApprovalPause);
    CO_TRY(request, co_await parts_.client.get(key));
  }
  co_return Error{Code::timeout, fmt::format("request {} waits for somebody's approval", name)};
}

}  // namespace tetrarch::app
