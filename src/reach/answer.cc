// SPDX-License-Identifier: Apache-2.0
#include "reach/answer.h"

#include <algorithm>
#include <array>

#include "object/document.h"
#include "object/writer.h"

namespace tetrarch::reach {

namespace {

struct StatusRow {
  int status;
  Code code;
};

/// Ours: statuses of HTTP, because the one who asks will most often pass them on as such. The first
/// row of a status says how it is read, the first row of a code how it is written.
constexpr auto kStatuses = std::to_array<StatusRow>({
    {400, Code::malformed},
    {401, Code::unauthenticated},
    {403, Code::forbidden},
    {404, Code::not_found},
    {405, Code::unsupported},
    {409, Code::conflict},
    {409, Code::already_exists},
    {409, Code::precondition},
    {410, Code::expired},
    {413, Code::too_large},
    {422, Code::invalid},
    {429, Code::exhausted},
    {499, Code::cancelled},
    {500, Code::internal},
    {501, Code::unimplemented},
    {503, Code::unavailable},
    {504, Code::timeout},
});

}  // namespace

std::string format_answer(const Status& outcome) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object();
  if (outcome.ok()) {
    writer.field("status", 200);
  } else {
    const auto* const row =
        std::find_if(kStatuses.begin(), kStatuses.end(), [&](const StatusRow& r) {
          return r.code == outcome.error().code;
        });
    writer.field("status", row == kStatuses.end() ? 500 : row->status)
        .field("message", outcome.error().message);
  }
  writer.end_object();
  return out + "\n";
}

Status parse_answer(std::string_view line) {
  const auto document = object::Document::parse(line);
  const auto status = document.ok() ? (*document)->root()["status"].integer() : 0;
  if (status == 0) {
    return Error{Code::internal, "the node's answer cannot be read"};
  }
  if (status < 300) {
    return ok();
  }
  const auto* const row = std::find_if(kStatuses.begin(),
                                       kStatuses.end(),
                                       [status](const StatusRow& r) { return r.status == status; });
  const auto message = (*document)->root()["message"].string("the node refused");
  return Error{row == kStatuses.end() ? Code::internal : row->code, std::string(message)};
}

Task<Result<std::string>> read_line(net::Stream& stream, std::size_t bytes_max) {
  std::string line;
  while (line.size() < bytes_max) {
    char next = 0;
    CO_TRY(const auto got, co_await stream.read(&next, 1));
    if (got == 0) {
      co_return Error{Code::unavailable, "the node closed the stream without an answer"};
    }
    if (next == '\n') {
      co_return line;
    }
    line += next;
  }
  co_return Error{Code::too_large, "the node's answer is too long"};
}

}  // namespace tetrarch::reach
