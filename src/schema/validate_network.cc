// SPDX-License-Identifier: Apache-2.0
// Rules of NetworkPolicies and of the ranges that services take addresses from.
// Source: Kubernetes pkg/apis/networking/validation/validation.go and
// apimachinery pkg/util/validation/ip.go, v1.35.
#include <array>
#include <optional>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "schema/formats.h"
#include "schema/rules.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::string_view kCidrFault =
    "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
constexpr std::string_view kImmutable = "field is immutable";

/// A range of either family, its address as bytes in network order.
struct Cidr {
  int family = AF_INET;
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  int bits = 0;

  int bits_max() const { return family == AF_INET ? 32 : 128; }

  bool bit(int place) const {
    const auto byte = bytes.at(static_cast<std::size_t>(place / 8));
    return ((byte >> (7 - place % 8)) & 1) != 0;
  }

  bool has_bits_behind() const {
    for (int place = bits; place < bits_max(); ++place) {
      if (bit(place)) {
        return true;
      }
    }
    return false;
  }

  bool holds(const Cidr& other) const {
    if (family != other.family) {
      return false;
    }
    for (int place = 0; place < bits; ++place) {
      if (bit(place) != other.bit(place)) {
        return false;
      }
    }
    return true;
  }
};

std::optional<int> read_bits(std::string_view text, int max) {
  if (text.empty() || text.size() > 3 ||
      text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  const int bits = std::stoi(std::string(text));
  return bits > max ? std::nullopt : std::optional(bits);
}

std::optional<Cidr> parse_cidr(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string address(text.substr(0, slash));
  Cidr out;
  out.family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const auto bits = read_bits(text.substr(slash + 1), out.bits_max());
  if (!bits || inet_pton(out.family, address.c_str(), out.bytes.data()) != 1) {
    return std::nullopt;
  }
  out.bits = *bits;
  return out;
}

void check_service_range(Problems& problems, const std::string& path, std::string_view text) {
  const auto cidr = parse_cidr(text);
  if (!cidr) {
    problems.invalid(path, text, kCidrFault);
  } else if (cidr->has_bits_behind()) {
    problems.invalid(path, text, "must not have bits set beyond the prefix length");
  } else if (cidr->family == AF_INET6) {
    // Ours: services of this cluster have IPv4 addresses only.
    problems.invalid(path, text, "this cluster has no IPv6 addresses for services");
  } else if (cidr->bits == 0 || cidr->bits > 30) {
    // Ours: the first and the last address of a range are not given to services.
    problems.invalid(path, text, "leaves no address for services: use /1 to /30");
  }
}

void check_port_range(Problems& problems, const Site& site, View port, View end) {
  if (end.integer() < port.integer()) {
    problems.invalid(site.at("endPort"), end, "must be greater than or equal to `port`");
  }
  for (const auto& fault : port_number_faults(end.integer())) {
    problems.invalid(site.at("endPort"), end, fault);
  }
}

}  // namespace

void check_network_policy_spec(Problems& problems, const Site& site) {
  const View types = site.fresh["policyTypes"];
  if (types.size() > 2) {
    problems.invalid(site.at("policyTypes"), types, "may not specify more than two policyTypes");
    return;
  }
  std::size_t index = 0;
  for (const View type : types.elements()) {
    if (type.string() != "Ingress" && type.string() != "Egress") {
      problems.not_supported(
          index_path(site.at("policyTypes"), index), type.string(), {"Ingress", "Egress"});
    }
    ++index;
  }
}

void check_network_policy_port(Problems& problems, const Site& site) {
  const View port = site.fresh["port"];
  const View end = site.fresh["endPort"];
  if (port.is_number()) {
    for (const auto& fault : port_number_faults(port.integer())) {
      problems.invalid(site.at("port"), port, fault);
    }
    if (end) {
      check_port_range(problems, site, port, end);
    }
    return;
  }
  if (port) {
    problems.invalid_each(site.at("port"), port.string(), port_name_faults(port.string()));
  }
  if (end) {
    problems.invalid(site.at("endPort"),
                     end,
                     port ? "may not be specified when `port` is non-numeric"
                          : "may not be specified when `port` is not specified");
  }
}

void check_network_policy_peer(Problems& problems, const Site& site) {
  const bool has_block = site.fresh["ipBlock"].exists();
  const bool has_pods =
      site.fresh["podSelector"].exists() || site.fresh["namespaceSelector"].exists();
  if (!has_block && !has_pods) {
    problems.required(site.path, "must specify a peer");
  } else if (has_block && has_pods) {
    problems.forbidden(site.path, "may not specify both ipBlock and another peer");
  }
}

void check_ip_block(Problems& problems, const Site& site) {
  const auto text = site.fresh["cidr"].string();
  if (text.empty()) {
    return;  // the table says that it is required
  }
  const auto whole = parse_cidr(text);
  if (!whole) {
    problems.invalid(site.at("cidr"), text, kCidrFault);
    return;
  }
  std::size_t index = 0;
  for (const View except : site.fresh["except"].elements()) {
    const auto path = index_path(site.at("except"), index++);
    const auto part = parse_cidr(except.string());
    if (!part) {
      problems.invalid(path, except, kCidrFault);
    } else if (!whole->holds(*part) || whole->bits >= part->bits) {
      problems.invalid(path, except, "must be a strict subset of `cidr`");
    }
  }
}

void check_service_cidr(Problems& problems, const Site& site) {
  const auto inner = site.child("spec");
  const auto path = inner.at("cidrs");
  const View cidrs = inner.fresh["cidrs"];
  if (site.is_update()) {
    if (!cidrs.same_as(inner.old["cidrs"])) {
      problems.invalid(path, cidrs, kImmutable);
    }
    return;
  }
  if (cidrs.size() == 0) {
    problems.required(path, "at least one CIDR required");
  } else if (cidrs.size() > 2) {
    problems.invalid(path, inner.fresh, "may only hold up to 2 values");
  } else if (cidrs.size() == 2) {
    // Ours: services of this cluster have one address each.
    problems.invalid(path, cidrs, "may only hold one range: this cluster is single-stack");
  } else {
    check_service_range(problems, index_path(path, 0), cidrs.at(0).string());
  }
}

}  // namespace tetrarch::schema
