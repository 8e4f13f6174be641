// SPDX-License-Identifier: Apache-2.0
// CertificateSigningRequests: who asks is what the server knows and not what the body says; the
// spec never changes; approving is its own access, for each signer. Source: Kubernetes
// pkg/registry/certificates and the admission plugins CertificateApproval, CertificateSigning and
// CertificateSubjectRestriction (1.35).
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "registry/authorizer.h"
#include "registry/signing.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;
using object::Writer;

namespace {

constexpr std::string_view kQualified = "certificatesigningrequests.certificates.k8s.io";
constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client";
constexpr auto kKeptConditions = std::to_array<std::string_view>({"Approved", "Denied", "Failed"});

std::string list_of(const std::vector<std::string>& texts) {
  std::string out;
  Writer writer(out);
  writer.begin_array();
  for (const auto& text : texts) {
    writer.string(text);
  }
  writer.end_array();
  return out;
}

std::string extra_of(const trust::Identity& who) {
  std::string out;
  Writer writer(out);
  writer.begin_object();
  for (const auto& [key, values] : who.extra) {
    writer.key(key).raw(list_of(values));
  }
  writer.end_object();
  return out;
}

/// Sets the member, or drops what the caller sent.
void set_or_drop(Draft& draft, std::string_view path, bool is_there, std::string json) {
  if (is_there) {
    draft.set(path, std::move(json));
  } else {
    draft.drop(path);
  }
}

void note_requester(const trust::Identity& who, Draft& draft) {
  draft.set_text("spec.username", who.user);
  set_or_drop(draft, "spec.uid", !who.uid.empty(), quoted(who.uid));
  set_or_drop(draft, "spec.groups", !who.groups.empty(), list_of(who.groups));
  set_or_drop(draft, "spec.extra", !who.extra.empty(), extra_of(who));
}

std::string approved_status(const std::string& message, const std::string& now) {
  std::string out;
  Writer writer(out);
  writer.begin_object().key("conditions").begin_array().begin_object();
  writer.field("lastTransitionTime", now).field("lastUpdateTime", now);
  writer.field("message", message).field("reason", "AutoApproved");
  writer.field("status", "True").field("type", "Approved");
  writer.end_object().end_array().end_object();
  return out;
}

Status on_create(Write& write, Draft& draft) {
  note_requester(write.call.identity, draft);
  const auto pem = request_pem(draft.base()["spec"]);
  const auto request =
      pem.ok() ? trust::read_signing_request(*pem) : Result<trust::RequestInfo>(pem.error());
  if (!request.ok()) {
    return ok();  // check() says why not
  }
  const auto& groups = request->subject.organizations;
  if (draft.find("spec.signerName").string() == kClientSigner &&
      std::find(groups.begin(), groups.end(), trust::kMasters) != groups.end()) {
    return forbidden(
        kQualified,
        draft.meta.name,
        fmt::format(
            "use of {} signer with {} group is not allowed", kClientSigner, trust::kMasters));
  }
  const auto whole = draft.finish();
  const View spec = whole->root()["spec"];
  if (const auto message = auto_approval(write, spec, *request); !message.empty()) {
    TRY(auto status, settled_status(write, spec, approved_status(message, write.now)));
    draft.set("status", std::move(status));
  }
  return ok();
}

/// Only metadata of a request can change.
Status on_update(Write& /*write*/, View old, Draft& draft) {
  draft.take("spec", old);
  return ok();
}

bool may(const Write& write, std::string_view verb, std::string_view signer) {
  const auto& who = write.call.identity;
  Attributes asked{std::string(verb), "certificates.k8s.io", "v1", "signers"};
  asked.name = signer;
  const auto domain = signer.substr(0, signer.find('/'));
  Attributes all = asked;
  all.name = std::string(domain) + "/*";
  return write.here.authorizer.allows(who, asked) || write.here.authorizer.allows(who, all);
}

Status check_may(const Write& write, View old, std::string_view verb) {
  const auto signer = old.find("spec.signerName").string();
  if (may(write, verb, signer)) {
    return ok();
  }
  return forbidden(
      kQualified,
      old["metadata"]["name"].string(),
      fmt::format("user not permitted to {} requests with signerName \"{}\"", verb, signer));
}

View condition_in(View status, std::string_view type) {
  for (const View each : status["conditions"].elements()) {
    if (each["type"].string() == type) {
      return each;
    }
  }
  return {};
}

/// Conditions get their times where the caller left them out.
std::string timed_conditions(View fresh, View old, const std::string& now) {
  std::string out;
  Writer writer(out);
  writer.begin_array();
  for (const View each : fresh["conditions"].elements()) {
    const View before = condition_in(old, each["type"].string());
    const bool is_same = before.exists() && before["status"].same_as(each["status"]);
    Overlay change;
    if (each["lastUpdateTime"].string().empty()) {
      change.member("lastUpdateTime").replace(quoted(now));
    }
    if (each["lastTransitionTime"].string().empty()) {
      change.member("lastTransitionTime")
          .replace(quoted(is_same ? before["lastTransitionTime"].string(now) : now));
    }
    std::string json;
    Writer one(json);
    change.write(one, each);
    writer.raw(json);
  }
  writer.end_array();
  return out;
}

/// An approval changes the conditions and nothing else; a signer changes all but the approval.
std::string status_to_be(const Write& write, View fresh, View old) {
  const auto empty = Document::from_canonical("{}");
  const View base = write.call.subresource != "approval" ? fresh : old;
  Overlay change;
  change.member("conditions").replace(timed_conditions(fresh, old, write.now));
  std::string json;
  Writer out(json);
  change.write(out, base.is_object() ? base : empty->root());
  return json;
}

FieldErrors faults_of(View fresh, View old, bool is_approval) {
  FieldErrors out;
  for (const auto type : kKeptConditions) {
    const View before = condition_in(old, type);
    const View now = condition_in(fresh, type);
    if (before.exists() && !now.exists()) {
      out.push_back(
          forbidden_field("status.conditions",
                          fmt::format("updates may not remove a condition of type \"{}\"", type)));
    } else if (!is_approval && type != "Failed" && now.exists() && !before.exists()) {
      out.push_back(
          forbidden_field("status.conditions",
                          fmt::format("updates may not add a condition of type \"{}\"", type)));
    } else if (now.exists() && now["status"].string() != "True") {
      out.push_back(not_supported("status.conditions", now["status"].string(), {"True"}));
    }
  }
  if (condition_in(fresh, "Approved").exists() && condition_in(fresh, "Denied").exists()) {
    out.push_back(invalid_text(
        "status.conditions", "Denied", "Approved and Denied conditions are mutually exclusive"));
  }
  const auto certificate = old["certificate"].string();
  if (!is_approval && !certificate.empty() && fresh["certificate"].string() != certificate) {
    out.push_back(forbidden_field("status.certificate",
                                  "updates may not change a certificate that is there"));
  }
  return out;
}

Status on_status(Write& write, View old, Draft& draft) {
  const bool is_approval = write.call.subresource == "approval";
  const auto sent = draft.finish();
  const View fresh = sent->root()["status"];
  const View before = old["status"];
  if (is_approval && !fresh["conditions"].same_as(before["conditions"])) {
    TRY_STATUS(check_may(write, old, "approve"));
  }
  if (!is_approval && !fresh["certificate"].same_as(before["certificate"])) {
    TRY_STATUS(check_may(write, old, "sign"));
  }
  auto faults = faults_of(fresh, before, is_approval);
  if (!faults.empty()) {
    return invalid("CertificateSigningRequest.certificates.k8s.io",
                   old["metadata"]["name"].string(),
                   std::move(faults));
  }
  TRY(auto status, settled_status(write, old["spec"], status_to_be(write, fresh, before)));
  draft.set("status", std::move(status));
  return ok();
}

void check(View fresh, View old, FieldErrors& faults) {
  const View spec = fresh["spec"];
  const auto pem = request_pem(spec);
  const auto request =
      pem.ok() ? trust::read_signing_request(*pem) : Result<trust::RequestInfo>(pem.error());
  if (!request.ok()) {
    faults.push_back(invalid_value("spec.request", spec["request"].raw(), request.error().message));
  }
  if (spec["usages"].size() == 0) {
    faults.push_back(required("spec.usages", "usages is required"));
  }
  const auto signer = spec["signerName"].string();
  const auto slash = signer.find('/');
  const bool is_qualified = slash != std::string_view::npos && slash > 0 &&
                            slash + 1 < signer.size() &&
                            signer.substr(0, slash).find('.') != std::string_view::npos;
  if (!signer.empty() && !is_qualified) {
    faults.push_back(invalid_text(
        "spec.signerName",
        signer,
        "must be a fully qualified domain and path of the form 'example.com/signer-name'"));
  }
  if (signer == "kubernetes.io/legacy-unknown" && !old.exists()) {
    faults.push_back(invalid_text(
        "spec.signerName", signer, "the legacy signerName is not allowed via this API version"));
  }
}

}  // namespace

Strategy signing_requests_strategy() {
  Strategy out;
  out.has_status = true;
  out.fields = {{"spec.signerName"}};
  out.on_create = &on_create;
  out.on_update = &on_update;
  out.on_status = &on_status;
  out.check = &check;
  return out;
}

}  // namespace tetrarch::registry
