// SPDX-License-Identifier: Apache-2.0
// The signers of CertificateSigningRequests that this cluster has: what each of them signs, who
// need not wait for a person's approval, and the certificate itself. A request is signed in the
// commit that approves it.
#pragma once

#include <string>

#include "registry/strategy.h"
#include "trust/ca.h"

namespace tetrarch::registry {

/// The request in a CertificateSigningRequest's spec. Error: the reason, as kube-apiserver words
/// it.
Result<std::string> request_pem(object::View spec);

/// Why the signer will not sign this; ok where it is not one of ours.
Status check_signable(object::View spec, const trust::RequestInfo& request);

/// The message of an approval that needs no person: a node's client certificate, asked for by
/// somebody who may have it. Empty: a person decides.
std::string auto_approval(const Write& write, object::View spec, const trust::RequestInfo& request);

/// status with what follows from its conditions: the certificate of an approved request, or the
/// reason why it cannot be signed. `status` is canonical JSON.
Result<std::string> settled_status(const Write& write,
                                   object::View spec,
                                   const std::string& status);

}  // namespace tetrarch::registry
