// SPDX-License-Identifier: Apache-2.0
#include "agent/network/cni_config.h"

#include "object/writer.h"

namespace tetrarch::agent::network {

std::string render_conflist(const CniOptions& options) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("cniVersion", "1.0.0").field("name", options.bridge);
  writer.key("plugins").begin_array().begin_object();
  writer.field("type", "bridge").field("bridge", options.bridge);
  // Ours: masquerading is in our own table (nftables); the plugin's would need iptables.
  writer.field("isGateway", true).field("ipMasq", false).field("hairpinMode", true);
  if (options.mtu > 0) {
    writer.field("mtu", options.mtu);
  }
  writer.key("ipam").begin_object().field("type", "host-local");
  writer.field("dataDir", options.leases.string());
  writer.key("ranges").begin_array().begin_array().begin_object();
  writer.field("subnet", options.pod_cidr.text());
  writer.field("gateway", ipv4_text(options.pod_cidr.at(1)));
  writer.end_object().end_array().end_array();
  writer.key("routes")
      .begin_array()
      .begin_object()
      .field("dst", "0.0.0.0/0")
      .end_object()
      .end_array();
  writer.end_object();  // ipam
  writer.end_object().end_array().end_object();
  return out;
}

}  // namespace tetrarch::agent::network
