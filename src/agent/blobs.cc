// SPDX-License-Identifier: Apache-2.0
#include "agent/blobs.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "reach/answer.h"
#include "reach/wire.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

constexpr std::size_t kPieceMax = 16 * 1024 * 1024;
constexpr std::size_t kChunk = 256 * 1024;
constexpr seconds kLook{60};
constexpr seconds kRetry{5};

Task<Status> read_exactly(net::Stream& stream, char* into, std::size_t size) {
  while (size > 0) {
    CO_TRY(const auto count, co_await stream.read(into, size));
    if (count == 0) {
      co_return Error{Code::unavailable, "the upload broke off"};
    }
    into += count;
    size -= count;
  }
  co_return ok();
}

/// Empty: the last one has come.
Task<Result<std::string>> read_piece(net::Stream& stream) {
  std::string head(4, '\0');
  CO_TRY_STATUS(co_await read_exactly(stream, head.data(), head.size()));
  const std::size_t size = reach::read_u32(head);
  if (size > kPieceMax) {
    co_return Error{Code::too_large, "a piece of a blob is too long"};
  }
  std::string out(size, '\0');
  CO_TRY_STATUS(co_await read_exactly(stream, out.data(), out.size()));
  co_return out;
}

Task<Status> take_pieces(net::Stream& stream, runtime::ContentWriter& writer) {
  while (true) {
    CO_TRY(auto piece, co_await read_piece(stream));
    if (piece.empty()) {
      co_return ok();
    }
    CO_TRY_STATUS(co_await writer.write(std::move(piece)));
  }
}

runtime::ContentInfo kept(std::string digest, std::int64_t size, TimePoint now) {
  runtime::ContentInfo out;
  out.digest = std::move(digest);
  out.size_bytes = size;
  out.labels[runtime::kKeptLabel] = format_time(now);
  return out;
}

Task<Status> take_blob(net::Stream& stream, runtime::ContentWriter& writer, TimePoint now) {
  CO_TRY_STATUS(co_await take_pieces(stream, writer));
  CO_TRY(const auto line, co_await reach::read_line(stream));
  CO_TRY(const auto what, Document::parse(line));
  const auto root = what->root();
  auto wanted = kept(std::string(root["digest"].string()), root["size"].integer(), now);
  if (!runtime::is_digest(wanted.digest)) {
    co_return Error{Code::malformed, "the upload ends without a digest"};
  }
  auto committed = co_await writer.commit(std::move(wanted));
  if (!committed.ok() && committed.error().code == Code::precondition) {
    committed = Error{Code::invalid, "what came is not what its digest says"};
  }
  co_return committed;
}

Task<Status> copy(BlobStream& from, runtime::ContentWriter& to) {
  while (true) {
    CO_TRY(auto piece, co_await from.read());
    if (piece.empty()) {
      co_return ok();
    }
    CO_TRY_STATUS(co_await to.write(std::move(piece)));
  }
}

}  // namespace

Task<void> Blobs::serve_put(net::Stream& stream) {
  auto writer = co_await parts_.content.begin("tetrarch-upload-" + make_uuid(parts_.random));
  const auto begun = writer.ok() ? ok() : Status(writer.error());
  const auto told = co_await stream.write(reach::format_answer(begun));
  if (!writer.ok() || !told.ok()) {
    co_return;
  }
  const auto taken = co_await take_blob(stream, **writer, parts_.clock.now());
  if (!taken.ok()) {
    co_await (*writer)->abandon();
  }
  (void)co_await stream.write(reach::format_answer(taken));
  (void)co_await stream.shut_write();
}

Task<void> Blobs::serve_get(object::View request, net::Stream& stream) {
  const auto reader = co_await parts_.content.open(std::string(request["digest"].string()));
  const auto found = reader.ok() ? ok() : Status(reader.error());
  const auto told = co_await stream.write(reach::format_answer(found));
  if (!reader.ok() || !told.ok()) {
    co_return;
  }
  auto offset = std::max<std::int64_t>(request["offset"].integer(), 0);
  auto left = std::max<std::int64_t>(request["length"].integer(), 0);
  while (left > 0) {
    const auto most = std::min<std::int64_t>(left, kChunk);
    const auto bytes = co_await (*reader)->read(offset, static_cast<std::size_t>(most));
    if (!bytes.ok() || bytes->empty() || !(co_await stream.write(*bytes)).ok()) {
      co_return;  // it breaks off, which the other side sees
    }
    offset += static_cast<std::int64_t>(bytes->size());
    left -= static_cast<std::int64_t>(bytes->size());
  }
  (void)co_await stream.shut_write();
}

Task<void> Blobs::keep() {
  seconds pause = kRetry;
  while (true) {
    (void)co_await changed_.wait_for(pause);
    if (!parts_.objects.is_synced()) {
      pause = kRetry;
      continue;
    }
    const bool is_done = co_await hold_all();
    co_await drop_others();
    pause = is_done && !strays_.has_any_that_goes_soon() ? kLook : kRetry;
  }
}

/// False: something has to be tried again.
Task<bool> Blobs::hold_all() {
  bool is_done = true;
  for (auto& blob : parts_.objects.all(kImageBlobs)) {
    const std::string name = blob.key.name;
    const auto done = co_await hold(std::move(blob));
    if (!done.ok()) {
      log::warning("agent", "blob {} is not kept: {}", name, done.error().message);
      is_done = false;
    }
  }
  co_return is_done;
}

Task<Status> Blobs::hold(Stored blob) {
  const auto spec = blob.root()["spec"];
  const std::string digest(spec["digest"].string());
  if (!held_.contains(digest)) {
    CO_TRY(const auto info, co_await parts_.content.find(digest));
    if (!info) {
      CO_TRY_STATUS(co_await fetch(digest, spec["sizeBytes"].integer()));
    } else if (!info->labels.contains(runtime::kKeptLabel)) {
      auto since = format_time(parts_.clock.now());
      CO_TRY_STATUS(co_await parts_.content.set_kept(digest, std::move(since)));
    }
    held_.insert(digest);
  }
  if (!blob.root()["status"]["copies"][parts_.node].exists()) {
    co_return co_await report(std::move(blob));
  }
  co_return ok();
}

Task<Status> Blobs::fetch(std::string digest, std::int64_t size) {
  if (parts_.source == nullptr) {
    co_return Error{Code::unavailable, "there is no server to ask"};
  }
  BlobRequest request;
  request.target = "/v2/tetrarch/blobs/" + digest;
  request.digest = digest;
  CO_TRY(const auto from, co_await parts_.source->open(std::move(request)));
  CO_TRY(const auto writer,
         co_await parts_.content.begin("tetrarch-fetch-" + make_uuid(parts_.random)));
  auto done = co_await copy(*from, *writer);
  if (done.ok()) {
    auto wanted = kept(digest, size, parts_.clock.now());
    done = co_await writer->commit(std::move(wanted));
  }
  if (!done.ok()) {
    co_await writer->abandon();
  }
  co_return done;
}

Task<Status> Blobs::report(Stored blob) {
  client::WriteOptions options;
  options.subresource = "status";
  options.expected_uid = blob.uid();
  auto patch = fmt::format(
      R"({{"status":{{"copies":{{"{}":"{}"}}}}}})", parts_.node, format_time(parts_.clock.now()));
  const auto told = co_await parts_.client.patch(
      blob.key, client::PatchType::merge, std::move(patch), std::move(options));
  co_return told.ok() ? ok() : Status(told.error());
}

Task<void> Blobs::drop_others() {
  const auto all = co_await parts_.content.list_kept();
  if (!all.ok()) {
    co_return;  // containerd is away; the next round looks again
  }
  StrayBlobs::Digests wanted;
  for (const auto& blob : parts_.objects.all(kImageBlobs)) {
    wanted.emplace(blob.root()["spec"]["digest"].string());
  }
  bool has_dropped = false;
  for (auto& digest : strays_.look(*all, wanted, parts_.clock.now())) {
    held_.erase(digest);
    const auto dropped = co_await parts_.content.set_kept(std::move(digest), "");
    has_dropped = has_dropped || dropped.ok();
  }
  if (has_dropped) {
    const auto freed = co_await parts_.content.collect();
    if (!freed.ok()) {
      log::warning("agent", "dropped blobs are not freed yet: {}", freed.error().message);
    }
  }
}

}  // namespace tetrarch::agent
