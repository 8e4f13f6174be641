// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "kubeconfig (v1)": the fields.
#include "trust/kubeconfig.h"

#include <string_view>

#include "base/encoding.h"

namespace tetrarch::trust {
namespace {

/// A double-quoted YAML scalar: no text is special inside it.
std::string quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::string make_kubeconfig(const KubeconfigOptions& options) {
  const std::string context = options.user + "@" + options.cluster;
  std::string out = "apiVersion: v1\nkind: Config\nclusters:\n- name: " + quoted(options.cluster) +
                    "\n  cluster:\n    server: " + quoted(options.server) + "\n";
  if (!options.ca_pem.empty()) {
    out += "    certificate-authority-data: " + base64_encode(options.ca_pem) + "\n";
  }
  out += "users:\n- name: " + quoted(options.user) + "\n  user:\n";
  if (options.credentials.certificate_pem.empty()) {
    out += "    token: " + quoted(options.token) + "\n";
  } else {
    out += "    client-certificate-data: " + base64_encode(options.credentials.certificate_pem) +
           "\n    client-key-data: " + base64_encode(options.credentials.key_pem) + "\n";
  }
  out += "contexts:\n- name: " + quoted(context) +
         "\n  context:\n    cluster: " + quoted(options.cluster) +
         "\n    user: " + quoted(options.user) + "\n";
  if (!options.ns.empty()) {
    out += "    namespace: " + quoted(options.ns) + "\n";
  }
  return out + "current-context: " + quoted(context) + "\n";
}

}  // namespace tetrarch::trust
