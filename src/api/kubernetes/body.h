// SPDX-License-Identifier: Apache-2.0
// Bodies made of pieces: stored documents as they lie in memory, and the few bytes between them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/client.h"
#include "net/http.h"
#include "object/stored.h"

namespace tetrarch::api::kubernetes {

/// Collects pieces: views into documents that it keeps alive, and text of its own. Spent by `take`.
class BodyBuilder {
 public:
  /// `objects` is how many will be added.
  explicit BodyBuilder(std::size_t objects = 1);
  void add_text(std::string_view text);
  /// The document with its revision spliced in; 0: it was never stored and has none.
  void add_object(DocumentPtr document, Revision revision);
  net::Body take();

 private:
  struct Owner;

  /// Offsets into the own text become views at the end: the text may move until then.
  struct Piece {
    std::string_view foreign;
    std::size_t begin = 0;
    std::size_t size = 0;
  };

  void close_text();

  std::shared_ptr<Owner> owner_;
  std::vector<Piece> pieces_;
  std::size_t text_begin_ = 0;
};

net::Body object_body(const Stored& object);
/// `{"kind":"PodList","apiVersion":"v1","metadata":{…},"items":[…]}`
net::Body list_body(std::string_view kind, std::string_view api_version, client::ListPage page);
/// The metadata of a list, with its braces.
std::string list_metadata(const client::ListPage& page);

}  // namespace tetrarch::api::kubernetes
