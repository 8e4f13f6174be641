// SPDX-License-Identifier: Apache-2.0
// A question of a pod and an answer of a server that we asked: refused, or answered within the size
// that was asked for, under the id of the question.
#include <string>

#include "agent/network/dns_message.h"
#include "base/check.h"
#include "input.h"

using namespace tetrarch;
using namespace tetrarch::agent::network;

namespace {

const Answer& an_answer() {
  static const Answer made{
      .exists = true,
      .records = {{"web.default.svc.cluster.local", RecordType::cname, "example.com."},
                  {"web.default.svc.cluster.local", RecordType::a, "10.43.0.1"},
                  {"web.default.svc.cluster.local", RecordType::srv, "0 100 80 a.cluster.local."}},
      .additional = {{"a.cluster.local", RecordType::a, "10.42.0.1"}}};
  return made;
}

}  // namespace

/// The question, behind its length as two bytes; then the other server's answer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto high = input.byte();
  const auto question = input.take(high * 256 + input.byte());
  const auto other = input.rest();
  const auto failure = write_failure(question);
  const auto query = read_query(question);
  if (!query.ok()) {
    CHECK(query.error().code == Code::malformed);
    return 0;
  }
  CHECK(query->size_max >= 512 && query->size_max <= 4096);
  CHECK(failure.starts_with(question.substr(0, 2)));
  for (const auto& answer : {an_answer(), Answer{}}) {
    const auto wire = write_answer(question, answer, "cluster.local", query->size_max);
    CHECK(wire.starts_with(question.substr(0, 2)) && wire.size() <= query->size_max);
    CHECK(join_answers(wire, other, query->size_max).size() <= query->size_max);
  }
  const auto forwarded = write_query_for(question, "example.com");
  const auto again = read_query(forwarded);
  CHECK(again.ok() && again->name == "example.com." && again->id == query->id);
  write_query_for(question, query->name);
  return 0;
}
