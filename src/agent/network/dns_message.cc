// SPDX-License-Identifier: Apache-2.0
#include "agent/network/dns_message.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <ldns/ldns.h>

namespace tetrarch::agent::network {
namespace {

// Ours: short, as service addresses may change at any time and the server is on the same machine.
constexpr int kTtl = 5;
constexpr std::size_t kUdpSizeMax = 4096;

struct FreePacket {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};

struct FreeBytes {
  void operator()(void* bytes) const { std::free(bytes); }  // NOLINT: allocated by ldns
};

using Packet = std::unique_ptr<ldns_pkt, FreePacket>;

/// Without the additional records behind the first, which is where EDNS is. Of several signatures
/// ldns 1.8 keeps the last and never frees those before, so that anybody could have our memory by
/// asking; nor can they be counted here, as it goes on inside of a record that is longer than its
/// fields.
std::string with_one_additional(std::string_view wire) {
  constexpr std::size_t kCount = 10;  // Source: RFC 1035, 4.1.1: ARCOUNT, two bytes
  std::string out(wire);
  if (out.size() >= kCount + 2 && (out[kCount] != 0 || out[kCount + 1] != 0)) {
    out[kCount] = 0;
    out[kCount + 1] = 1;
  }
  return out;
}

Packet parse(std::string_view wire) {
  const std::string shorter = with_one_additional(wire);
  ldns_pkt* packet = nullptr;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(shorter.data());
  return ldns_wire2pkt(&packet, bytes, shorter.size()) == LDNS_STATUS_OK ? Packet(packet)
                                                                         : Packet();
}

RecordType from_ldns(ldns_rr_type type) {
  switch (type) {
    case LDNS_RR_TYPE_A:
      return RecordType::a;
    case LDNS_RR_TYPE_AAAA:
      return RecordType::aaaa;
    case LDNS_RR_TYPE_SRV:
      return RecordType::srv;
    case LDNS_RR_TYPE_PTR:
      return RecordType::ptr;
    case LDNS_RR_TYPE_CNAME:
      return RecordType::cname;
    case LDNS_RR_TYPE_TXT:
      return RecordType::txt;
    case LDNS_RR_TYPE_SOA:
      return RecordType::soa;
    case LDNS_RR_TYPE_NS:
      return RecordType::ns;
    case LDNS_RR_TYPE_ANY:
      return RecordType::any;
    default:
      return RecordType::other;
  }
}

std::string_view type_text(RecordType type) {
  switch (type) {
    case RecordType::a:
      return "A";
    case RecordType::srv:
      return "SRV";
    case RecordType::ptr:
      return "PTR";
    case RecordType::cname:
      return "CNAME";
    case RecordType::soa:
      return "SOA";
    default:
      return "TXT";
  }
}

void push(ldns_pkt* packet, ldns_pkt_section section, const Record& record) {
  const auto text =
      fmt::format("{}. {} IN {} {}", record.name, kTtl, type_text(record.type), record.data);
  ldns_rr* made = nullptr;
  // A name that DNS cannot carry (a label over 63 bytes in an ExternalName) is left out.
  if (ldns_rr_new_frm_str(&made, text.c_str(), kTtl, nullptr, nullptr) == LDNS_STATUS_OK) {
    ldns_pkt_push_rr(packet, section, made);
  }
}

std::string to_wire(const ldns_pkt* packet) {
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&bytes, packet, &size) != LDNS_STATUS_OK) {
    return "";
  }
  const std::unique_ptr<std::uint8_t, FreeBytes> owner(bytes);
  return {reinterpret_cast<const char*>(bytes), size};
}

/// An answer to `query` with its question and nothing else yet.
Packet reply_to(const ldns_pkt* query, ldns_pkt_rcode code) {
  Packet reply(ldns_pkt_new());
  ldns_pkt_set_id(reply.get(), ldns_pkt_id(query));
  ldns_pkt_set_qr(reply.get(), true);
  ldns_pkt_set_rd(reply.get(), ldns_pkt_rd(query));
  ldns_pkt_set_ra(reply.get(), true);
  ldns_pkt_set_rcode(reply.get(), code);
  const ldns_rr* question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
  if (question != nullptr) {
    ldns_pkt_push_rr(reply.get(), LDNS_SECTION_QUESTION, ldns_rr_clone(question));
  }
  if (ldns_pkt_edns(query)) {
    ldns_pkt_set_edns_udp_size(reply.get(), kUdpSizeMax);
  }
  return reply;
}

using Section = std::pair<ldns_pkt_section, const ldns_rr_list*>;

std::array<Section, 3> sections_of(const ldns_pkt* packet) {
  return {Section(LDNS_SECTION_ANSWER, ldns_pkt_answer(packet)),
          Section(LDNS_SECTION_AUTHORITY, ldns_pkt_authority(packet)),
          Section(LDNS_SECTION_ADDITIONAL, ldns_pkt_additional(packet))};
}

std::size_t records_in(const ldns_pkt* packet) {
  std::size_t out = 0;
  for (const auto& [section, records] : sections_of(packet)) {
    out += ldns_rr_list_rr_count(records);
  }
  return out;
}

/// `reply` with its first `count` records, and flagged.
Packet cut_to(const ldns_pkt* reply, std::size_t count) {
  Packet out = reply_to(reply, ldns_pkt_get_rcode(reply));
  ldns_pkt_set_aa(out.get(), true);
  ldns_pkt_set_tc(out.get(), true);
  for (const auto& [section, records] : sections_of(reply)) {
    for (std::size_t i = 0; i < ldns_rr_list_rr_count(records) && count > 0; ++i, --count) {
      ldns_pkt_push_rr(out.get(), section, ldns_rr_clone(ldns_rr_list_rr(records, i)));
    }
  }
  return out;
}

/// Beyond the limit: what fits of its records, and flagged, so that the client asks again by TCP;
/// musl before 1.2.4 does not and makes do with these.
std::string to_wire_within(const ldns_pkt* reply, std::size_t size_max) {
  auto wire = to_wire(reply);
  if (size_max == 0 || wire.size() <= size_max) {
    return wire;
  }
  // How much names save by being shared is known only afterwards: by halves.
  constexpr std::size_t kRecordMin = 11;  // Source: RFC 1035, 4.1.3: of the root, without data
  std::size_t fitting = 0;
  auto too_many = std::min(records_in(reply), size_max / kRecordMin + 1);
  wire = to_wire(cut_to(reply, 0).get());
  while (fitting + 1 < too_many) {
    const auto middle = (fitting + too_many) / 2;
    auto longer = to_wire(cut_to(reply, middle).get());
    if (longer.size() <= size_max) {
      fitting = middle;
      wire = std::move(longer);
    } else {
      too_many = middle;
    }
  }
  return wire;
}

}  // namespace

Result<Query> read_query(std::string_view wire) {
  const Packet packet = parse(wire);
  if (!packet || ldns_pkt_qr(packet.get()) ||
      ldns_pkt_get_opcode(packet.get()) != LDNS_PACKET_QUERY ||
      ldns_rr_list_rr_count(ldns_pkt_question(packet.get())) != 1) {
    return Error{Code::malformed, "not a DNS query with one question"};
  }
  const ldns_rr* question = ldns_rr_list_rr(ldns_pkt_question(packet.get()), 0);
  const std::unique_ptr<char, FreeBytes> name(ldns_rdf2str(ldns_rr_owner(question)));
  Query query;
  query.id = ldns_pkt_id(packet.get());
  query.name = name ? name.get() : "";
  query.type = from_ldns(ldns_rr_get_type(question));
  if (ldns_pkt_edns(packet.get())) {
    query.size_max =
        std::clamp<std::size_t>(ldns_pkt_edns_udp_size(packet.get()), 512, kUdpSizeMax);
  }
  return query;
}

std::string write_answer(std::string_view query_wire,
                         const Answer& answer,
                         const std::string& domain,
                         std::size_t size_max) {
  const Packet query = parse(query_wire);
  if (!query) {
    return "";
  }
  const auto code = answer.exists ? LDNS_RCODE_NOERROR : LDNS_RCODE_NXDOMAIN;
  Packet reply = reply_to(query.get(), code);
  ldns_pkt_set_aa(reply.get(), true);
  for (const Record& record : answer.records) {
    push(reply.get(), LDNS_SECTION_ANSWER, record);
  }
  for (const Record& record : answer.additional) {
    push(reply.get(), LDNS_SECTION_ADDITIONAL, record);
  }
  if (answer.records.empty()) {
    // How long "no" may be remembered: RFC 2308 section 3.
    const auto soa = fmt::format("ns.dns.{0}. hostmaster.{0}. 1 7200 1800 86400 {1}", domain, kTtl);
    push(reply.get(), LDNS_SECTION_AUTHORITY, {domain, RecordType::soa, soa});
  }
  return to_wire_within(reply.get(), size_max);
}

std::string write_failure(std::string_view query_wire) {
  const Packet query = parse(query_wire);
  return query ? to_wire(reply_to(query.get(), LDNS_RCODE_SERVFAIL).get()) : "";
}

std::string write_query_for(std::string_view query_wire, const std::string& name) {
  const Packet query = parse(query_wire);
  const ldns_rr* question = query ? ldns_rr_list_rr(ldns_pkt_question(query.get()), 0) : nullptr;
  ldns_rdf* owner = question != nullptr ? ldns_dname_new_frm_str(name.c_str()) : nullptr;
  if (owner == nullptr) {
    return "";
  }
  const Packet out(ldns_pkt_query_new(
      owner, ldns_rr_get_type(question), ldns_rr_get_class(question), LDNS_RD));  // takes the name
  ldns_pkt_set_id(out.get(), ldns_pkt_id(query.get()));
  return to_wire(out.get());
}

std::string join_answers(std::string_view answer_wire,
                         std::string_view other_wire,
                         std::size_t size_max) {
  const Packet answer = parse(answer_wire);
  const Packet other = parse(other_wire);
  if (!answer || !other) {
    return std::string(answer_wire);
  }
  const ldns_rr_list* records = ldns_pkt_answer(other.get());
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(records); ++i) {
    ldns_pkt_push_rr(answer.get(), LDNS_SECTION_ANSWER, ldns_rr_clone(ldns_rr_list_rr(records, i)));
  }
  return to_wire_within(answer.get(), size_max);
}

}  // namespace tetrarch::agent::network
