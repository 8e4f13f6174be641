// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/body.h"

#include <utility>

#include "object/writer.h"

namespace tetrarch::api::kubernetes {

struct BodyBuilder::Owner {
  std::string text;
  std::vector<DocumentPtr> documents;
};

// Shared with the write under way, which may outlive the request's frame.
BodyBuilder::BodyBuilder() : owner_(std::make_shared<Owner>()) {}

void BodyBuilder::add_text(std::string_view text) {
  owner_->text += text;
}

void BodyBuilder::close_text() {
  const auto end = owner_->text.size();
  if (end > text_begin_) {
    pieces_.push_back({{}, text_begin_, end - text_begin_});
    text_begin_ = end;
  }
}

void BodyBuilder::add_object(const Stored& object) {
  owner_->documents.push_back(object.document);
  close_text();
  if (object.revision.number == 0) {
    // Never stored: a review, a token, the answer to a dry run.
    pieces_.push_back({object.document->bytes()});
    return;
  }
  const auto spliced = splice_revision(*object.document, object.revision);
  pieces_.push_back({spliced.head});
  add_text(spliced.middle);
  if (!spliced.tail.empty()) {
    close_text();
    pieces_.push_back({spliced.tail});
  }
}

net::Body BodyBuilder::take() {
  close_text();
  net::Body out;
  out.pieces.reserve(pieces_.size());
  const std::string_view text = owner_->text;
  for (const auto& piece : pieces_) {
    out.pieces.push_back(piece.size > 0 ? text.substr(piece.begin, piece.size) : piece.foreign);
  }
  out.owner = std::move(owner_);
  return out;
}

net::Body object_body(const Stored& object) {
  BodyBuilder builder;
  builder.add_object(object);
  builder.add_text("\n");
  return builder.take();
}

std::string list_metadata(const client::ListPage& page) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("resourceVersion", std::to_string(page.revision.number));
  if (!page.continue_token.empty()) {
    writer.field("continue", page.continue_token);
    if (page.remaining > 0) {
      writer.field("remainingItemCount", static_cast<std::int64_t>(page.remaining));
    }
  }
  writer.end_object();
  return out;
}

net::Body list_body(std::string_view kind,
                    std::string_view api_version,
                    const client::ListPage& page) {
  BodyBuilder builder;
  std::string head;
  object::Writer writer(head);
  writer.begin_object().field("kind", std::string(kind) + "List").field("apiVersion", api_version);
  writer.key("metadata").raw(list_metadata(page)).key("items");
  builder.add_text(head + "[");
  bool is_first = true;
  for (const auto& item : page.items) {
    builder.add_text(is_first ? "" : ",");
    is_first = false;
    builder.add_object(item);
  }
  builder.add_text("]}\n");
  return builder.take();
}

}  // namespace tetrarch::api::kubernetes
