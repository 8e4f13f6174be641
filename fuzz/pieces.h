// SPDX-License-Identifier: Apache-2.0
// Feeding a decoder or a parser piece by piece, as a connection does.
#pragma once

#include <algorithm>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

#include "base/result.h"

namespace tetrarch::fuzz {

/// Hands every frame of `bytes` to `on_frame`; the error that ended it, if one did.
template <class Decoder, class OnFrame>
Status decode_in_pieces(Decoder& decoder,
                        std::string_view bytes,
                        std::size_t piece,
                        OnFrame on_frame) {
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    decoder.feed(bytes.substr(at, piece));
    while (true) {
      TRY(auto frame, decoder.next());
      if (!frame) {
        break;
      }
      on_frame(*frame);
    }
  }
  return ok();
}

/// As net reads a message: what was not used is offered again with what comes next.
template <class Parser>
void parse_in_pieces(Parser& parser, std::string_view bytes, std::size_t piece) {
  std::size_t begin = 0;
  std::size_t end = 0;
  while (!parser.is_done() && begin < bytes.size()) {
    end = std::min(bytes.size(), end + piece);
    boost::system::error_code error;
    begin += parser.put(boost::asio::const_buffer(bytes.data() + begin, end - begin), error);
    const bool needs_more = error == boost::beast::http::error::need_more;
    if ((error && !needs_more) || (needs_more && end == bytes.size())) {
      return;
    }
  }
}

}  // namespace tetrarch::fuzz
