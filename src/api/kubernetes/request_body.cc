// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/request_body.h"

#include <charconv>
#include <utility>

#include "net/server.h"

namespace tetrarch::api::kubernetes {

std::optional<std::uint64_t> RequestBody::size(std::string_view declared) const {
  if (rest_ == nullptr || rest_->is_whole()) {
    return early_.size();
  }
  std::uint64_t out = 0;
  const auto [end, error] =
      std::from_chars(declared.data(), declared.data() + declared.size(), out);
  const bool is_number = error == std::errc{} && end == declared.data() + declared.size();
  return is_number ? std::optional(out) : std::nullopt;
}

Task<Result<std::string>> RequestBody::read() {
  if (!early_.empty() || rest_ == nullptr) {
    co_return std::exchange(early_, {});
  }
  co_return co_await rest_->read_body();
}

Task<Result<std::string>> RequestBody::gather() {
  const auto bytes_max = net::ServerOptions{}.body_bytes_max;
  std::string out;
  while (true) {
    CO_TRY(const auto piece, co_await read());
    if (piece.empty()) {
      co_return out;
    }
    out += piece;
    if (out.size() > bytes_max) {
      co_return Error{Code::too_large,
                      "Request entity too large: limit is " + std::to_string(bytes_max)};
    }
  }
}

}  // namespace tetrarch::api::kubernetes
