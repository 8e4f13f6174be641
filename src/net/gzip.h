// SPDX-License-Identifier: Apache-2.0
// A body as gzip, made piece by piece, and whether a client takes it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"

namespace tetrarch::net {

/// One gzip stream (RFC 1952) at zlib's fastest level. One strand.
class Gzip {
 public:
  Gzip();
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  /// What is ready by then is appended to `out`; the rest is kept.
  void add(std::string_view bytes, std::string& out);
  /// The rest. Once.
  void finish(std::string& out);

 private:
  struct Impl;

  void run(std::string_view bytes, int flush, std::string& out);

  std::unique_ptr<Impl> impl_;
};

/// By Accept-Encoding (RFC 9110 section 12.5.3): "gzip" is named, and not with q=0.
bool accepts_gzip(const Headers& headers);

}  // namespace tetrarch::net
