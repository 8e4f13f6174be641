// SPDX-License-Identifier: Apache-2.0
#include "net/stream_request.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "net/response_head.h"
#include "net/response_reader.h"

namespace tetrarch::net {
namespace {

/// Bytes that have been read already, then the stream.
class ResumedStream final : public Stream {
 public:
  ResumedStream(std::unique_ptr<Stream> stream, std::string early)
      : stream_(std::move(stream)), early_(std::move(early)) {}

  Task<Result<std::size_t>> read(char* into, std::size_t size) override {
    if (at_ == early_.size()) {
      co_return co_await stream_->read(into, size);
    }
    const auto n = std::min(size, early_.size() - at_);
    std::memcpy(into, early_.data() + at_, n);
    at_ += n;
    co_return n;
  }

  Task<Status> write(std::string_view bytes) override { return stream_->write(bytes); }

  Task<Status> shut_write() override { return stream_->shut_write(); }

  void close() override { stream_->close(); }

 private:
  const std::unique_ptr<Stream> stream_;
  const std::string early_;
  std::size_t at_ = 0;
};

/// Source: RFC 9110 section 8.6: a request whose method means a body says how long it is.
bool says_length(const ClientRequest& request, std::uint64_t size) {
  return size > 0 || request.method == "POST" || request.method == "PUT" ||
         request.method == "PATCH";
}

std::string head_of(const ClientRequest& request, std::optional<std::uint64_t> size) {
  std::string head = request.method + " ";
  append_clean(head, request.target);
  head += " HTTP/1.1\r\n";
  for (const auto& header : request.headers.list()) {
    if (!equals_ignoring_case(header.name, "Content-Length")) {
      append_clean(head, header.name);
      head += ": ";
      append_clean(head, header.value);
      head += "\r\n";
    }
  }
  if (!size) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (says_length(request, *size)) {
    head += fmt::format("Content-Length: {}\r\n", *size);
  }
  return head + "\r\n";
}

}  // namespace

struct StreamRequest::Parts {
  explicit Parts(std::unique_ptr<Stream> its_stream)
      : stream(std::move(its_stream)),
        reader([this](char* into, std::size_t size) { return stream->read(into, size); }) {}

  std::unique_ptr<Stream> stream;  // null once taken
  ResponseReader reader;
  bool is_chunked = false;
};

StreamRequest::StreamRequest(std::unique_ptr<Stream> stream)
    : parts_(std::make_unique<Parts>(std::move(stream))) {}

StreamRequest::~StreamRequest() = default;

Task<Status> StreamRequest::send(ClientRequest request) {
  const auto body = std::move(request.body);
  CO_TRY_STATUS(co_await begin(std::move(request), body.size()));
  co_return co_await send_piece(body);
}

Task<Status> StreamRequest::begin(ClientRequest request, std::optional<std::uint64_t> size) {
  const auto head = head_of(request, size);
  parts_->is_chunked = !size;
  co_return co_await parts_->stream->write(head);
}

Task<Status> StreamRequest::send_piece(std::string_view bytes) {
  if (bytes.empty()) {
    co_return ok();  // an empty chunk would be the end
  }
  if (!parts_->is_chunked) {
    co_return co_await parts_->stream->write(bytes);
  }
  const auto chunk = fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
  co_return co_await parts_->stream->write(chunk);
}

Task<Status> StreamRequest::end() {
  if (!parts_->is_chunked) {
    co_return ok();
  }
  co_return co_await parts_->stream->write("0\r\n\r\n");
}

Task<Status> StreamRequest::read_head(bool has_no_body) {
  // Only what is not taken yet is held.
  return parts_->reader.read_head(has_no_body, std::numeric_limits<std::uint64_t>::max());
}

int StreamRequest::status() const {
  return parts_->reader.parser().response().status;
}

const Headers& StreamRequest::headers() const {
  return parts_->reader.parser().response().headers;
}

Task<Result<std::string>> StreamRequest::read() {
  auto& reader = parts_->reader;
  auto& body = reader.parser().response().body;
  while (body.empty() && !reader.parser().is_done()) {
    CO_TRY_STATUS(co_await reader.read_more());
  }
  co_return std::exchange(body, {});
}

std::unique_ptr<Stream> StreamRequest::take_stream() {
  auto early = parts_->reader.take_rest();
  return std::make_unique<ResumedStream>(std::move(parts_->stream), std::move(early));
}

void StreamRequest::close() {
  if (parts_->stream) {
    parts_->stream->close();
  }
}

}  // namespace tetrarch::net
