// SPDX-License-Identifier: Apache-2.0
// Source: kube-controller-manager, csrsigning and csrapproving (1.35): requirements, reasons and
// messages; validity is what is asked for, from 10 minutes to the CA's year.
#include "registry/signing.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/encoding.h"
#include "registry/authorizer.h"

namespace tetrarch::registry {

using object::View;
using object::Writer;

namespace {

constexpr std::string_view kClient = "kubernetes.io/kube-apiserver-client";
constexpr std::string_view kKubeletClient = "kubernetes.io/kube-apiserver-client-kubelet";
constexpr std::string_view kKubeletServing = "kubernetes.io/kubelet-serving";
constexpr std::chrono::seconds kShortest{600};

using Usages = std::set<std::string, std::less<>>;

Usages usages_of(View spec) {
  Usages out;
  for (const View each : spec["usages"].elements()) {
    out.emplace(each.string());
  }
  return out;
}

Error refused(std::string why) {
  return {Code::invalid, std::move(why)};
}

/// Exactly these, with or without "key encipherment".
Status check_exact_usages(Usages usages, std::string_view purpose) {
  const Usages wanted{"digital signature", std::string(purpose)};
  usages.erase("key encipherment");
  return usages == wanted
             ? ok()
             : Status(refused(fmt::format("usages did not match [{}]",
                                          purpose == "client auth"
                                              ? "client auth digital signature key encipherment"
                                              : "digital signature key encipherment server auth")));
}

Status check_client(const Usages& usages) {
  for (const auto& usage : usages) {
    if (usage != "digital signature" && usage != "key encipherment" && usage != "client auth") {
      return refused("invalid usage for client certificate: " + usage);
    }
  }
  return usages.contains("client auth")
             ? ok()
             : Status(refused("missing required usage for client certificate: client auth"));
}

Status check_node_subject(const trust::RequestInfo& request) {
  if (request.subject.organizations != std::vector<std::string>{std::string(trust::kNodes)}) {
    return refused("subject organization is not system:nodes");
  }
  if (!request.subject.common_name.starts_with(trust::kNodeUserPrefix)) {
    return refused("subject common name does not begin with system:node:");
  }
  return ok();
}

Status check_kubelet_client(const trust::RequestInfo& request, const Usages& usages) {
  TRY_STATUS(check_node_subject(request));
  if (!request.names.dns.empty()) {
    return refused("DNS subjectAltNames are not allowed");
  }
  if (!request.names.ips.empty()) {
    return refused("IP subjectAltNames are not allowed");
  }
  if (request.has_other_names) {
    return refused("Email subjectAltNames are not allowed");
  }
  return check_exact_usages(usages, "client auth");
}

Status check_kubelet_serving(const trust::RequestInfo& request, const Usages& usages) {
  TRY_STATUS(check_node_subject(request));
  if (request.names.dns.empty() && request.names.ips.empty()) {
    return refused("DNS or IP subjectAltName is required");
  }
  if (request.has_other_names) {
    return refused("Email subjectAltNames are not allowed");
  }
  return check_exact_usages(usages, "server auth");
}

bool is_ours(std::string_view signer) {
  return signer == kClient || signer == kKubeletClient || signer == kKubeletServing;
}

bool has_condition(View status, std::string_view type) {
  for (const View each : status["conditions"].elements()) {
    if (each["type"].string() == type && each["status"].string() == "True") {
      return true;
    }
  }
  return false;
}

trust::Identity requester_of(View spec) {
  trust::Identity out;
  out.user = spec["username"].string();
  out.uid = spec["uid"].string();
  for (const View group : spec["groups"].elements()) {
    out.groups.emplace_back(group.string());
  }
  return out;
}

std::string failed_condition(const std::string& why, const std::string& now) {
  std::string out;
  Writer writer(out);
  writer.begin_object().field("lastTransitionTime", now).field("lastUpdateTime", now);
  writer.field("message", why).field("reason", "SignerValidationFailure");
  writer.field("status", "True").field("type", "Failed").end_object();
  return out;
}

std::chrono::seconds validity_of(View spec, std::chrono::seconds longest) {
  const View asked = spec["expirationSeconds"];
  longest = std::max(longest, kShortest);
  return asked ? std::clamp(std::chrono::seconds(asked.integer()), kShortest, longest) : longest;
}

}  // namespace

Result<std::string> request_pem(View spec) {
  const auto pem = base64_decode(spec["request"].string());
  if (!pem.ok() || pem->find("-----BEGIN CERTIFICATE REQUEST-----") == std::string::npos) {
    return refused("PEM block type must be CERTIFICATE REQUEST");
  }
  return *pem;
}

Status check_signable(View spec, const trust::RequestInfo& request) {
  const auto signer = spec["signerName"].string();
  const auto usages = usages_of(spec);
  if (signer == kClient) {
    return check_client(usages);
  }
  if (signer == kKubeletClient) {
    return check_kubelet_client(request, usages);
  }
  return signer == kKubeletServing ? check_kubelet_serving(request, usages) : ok();
}

std::string auto_approval(const Write& write, View spec, const trust::RequestInfo& request) {
  if (spec["signerName"].string() != kKubeletClient || !check_signable(spec, request).ok()) {
    return {};
  }
  const auto who = requester_of(spec);
  Attributes asked{"create", "certificates.k8s.io", "v1", "certificatesigningrequests"};
  asked.subresource = "selfnodeclient";
  if (who.user == request.subject.common_name && write.here.authorizer.allows(who, asked)) {
    return "Auto approving self kubelet client certificate after SubjectAccessReview.";
  }
  asked.subresource = "nodeclient";
  return write.here.authorizer.allows(who, asked)
             ? "Auto approving kubelet client certificate after SubjectAccessReview."
             : "";
}

Result<std::string> settled_status(const Write& write, View spec, const std::string& status) {
  const auto document = Document::from_canonical(status);
  const View root = document->root();
  const bool is_wanted = write.here.ca != nullptr && is_ours(spec["signerName"].string()) &&
                         has_condition(root, "Approved") && !has_condition(root, "Denied") &&
                         !has_condition(root, "Failed") && root["certificate"].string().empty();
  if (!is_wanted) {
    return status;
  }
  TRY(const auto pem, request_pem(spec));
  TRY(const auto request, trust::read_signing_request(pem));
  Overlay change;
  if (const auto fit = check_signable(spec, request); !fit.ok()) {
    change.member("conditions").append(failed_condition(fit.error().message, write.now));
  } else {
    const bool is_serving = spec["signerName"].string() == kKubeletServing;
    const trust::IssueTerms terms{request.subject,
                                  is_serving ? request.names : trust::ServerNames(),
                                  !is_serving,
                                  is_serving};
    TRY(const auto certificate,
        write.here.ca->sign(pem,
                            terms,
                            write.here.clock.now(),
                            validity_of(spec, write.here.options.certificate_validity_max)));
    change.member("certificate").replace(quoted(base64_encode(certificate)));
  }
  std::string json;
  Writer out(json);
  change.write(out, root);
  return json;
}

}  // namespace tetrarch::registry
