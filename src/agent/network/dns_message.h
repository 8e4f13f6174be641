// SPDX-License-Identifier: Apache-2.0
// DNS messages by ldns: reading a question, writing an answer. Input is untrusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/network/dns_zone.h"
#include "base/result.h"

namespace tetrarch::agent::network {

struct Query {
  std::uint16_t id = 0;
  std::string name;
  RecordType type = RecordType::other;
  std::size_t size_max = 512;  ///< of a UDP answer: 512, or what EDNS says, at most 4096
};

/// Code::malformed where it is no query with one question. RFC 1035 section 4.
Result<Query> read_query(std::string_view wire);

/// The wire form of an answer to `query_wire`. `size_max` 0: no limit (TCP); of a longer answer
/// the first records that fit are left, and it is flagged.
std::string write_answer(std::string_view query_wire,
                         const Answer& answer,
                         const std::string& domain,
                         std::size_t size_max);
/// An answer without records that says that we could not find out (RFC 1035 RCODE 2). Empty where
/// the query is unreadable.
std::string write_failure(std::string_view query_wire);

/// The same question about another name; empty where DNS cannot carry that name (a label over 63
/// bytes).
std::string write_query_for(std::string_view query_wire, const std::string& name);
/// `answer_wire`, an answer of ours, with the records of another server's answer behind its own;
/// unchanged where that one is unreadable.
std::string join_answers(std::string_view answer_wire,
                         std::string_view other_wire,
                         std::size_t size_max);

}  // namespace tetrarch::agent::network
