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
BodyBuilder::BodyBuilder(std::size_t objects) : owner_(std::make_shared<Owner>()) {
  constexpr std::size_t kPiecesEach = 4;  // text before it, head, revision, tail
  constexpr std::size_t kTextEach = 48;
  owner_->documents.reserve(objects);
  owner_->text.reserve(objects * kTextEach);
  pieces_.reserve(objects * kPiecesEach + 2);
}

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

void BodyBuilder::add_object(DocumentPtr document, Revision revision) {
  const Document& added = *document;
  owner_->documents.push_back(std::move(document));
  close_text();
  if (revision.number == 0) {
    // Never stored: a review, a token, the answer to a dry run.
    pieces_.push_back({added.bytes()});
    return;
  }
  const auto around = splice_revision(added, revision, owner_->text);
  pieces_.push_back({around.head});
  if (!around.tail.empty()) {
    close_text();
    pieces_.push_back({around.tail});
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
  builder.add_object(object.document, object.revision);
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

net::Body list_body(std::string_view kind, std::string_view api_version, client::ListPage page) {
  BodyBuilder builder(page.items.size());
  std::string head;
  object::Writer writer(head);
  writer.begin_object().field("kind", std::string(kind) + "List").field("apiVersion", api_version);
  writer.key("metadata").raw(list_metadata(page)).key("items");
  builder.add_text(head + "[");
  bool is_first = true;
  for (auto& item : page.items) {
    builder.add_text(is_first ? "" : ",");
    is_first = false;
    builder.add_object(std::move(item.document), item.revision);
  }
  builder.add_text("]}\n");
  return builder.take();
}

}  // namespace tetrarch::api::kubernetes
