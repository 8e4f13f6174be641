// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/uploads.h"

#include <algorithm>

#include "async/timer.h"
#include "async/together.h"
#include "base/log.h"
#include "object/writer.h"
#include "reach/answer.h"
#include "reach/blob_times.h"
#include "reach/wire.h"

namespace tetrarch::api::distribution {
namespace {

constexpr std::string_view kRoom = "images";
constexpr std::size_t kUploadsMax = 256;
constexpr std::size_t kCopies = 2;
constexpr std::chrono::minutes kIdleMax{10};

/// Ours: pieces of a blob to an agent: 4 bytes big-endian length, then as many bytes. An empty
/// piece is the end; behind it is one line that says what all of it must be.
std::string piece_of(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 4);
  reach::append_u32(out, static_cast<std::uint32_t>(bytes.size()));
  out += bytes;
  return out;
}

std::string last_piece(std::string_view digest, std::int64_t size) {
  auto out = piece_of("");
  object::Writer(out).begin_object().field("digest", digest).field("size", size).end_object();
  return out + "\n";
}

Task<void> read_answer(net::Stream& stream, Status& outcome) {
  const auto line = co_await reach::read_line(stream);
  outcome = line.ok() ? reach::parse_answer(*line) : Status(line.error());
}

Task<void> write_to(net::Stream& stream, std::string_view bytes, Status& outcome) {
  outcome = co_await stream.write(bytes);
}

Task<void> expire(std::chrono::nanoseconds limit) {
  co_await async::sleep_for(limit);
}

}  // namespace

Upload::Upload(std::string id,
               std::string user,
               std::vector<Target> targets,
               std::chrono::nanoseconds write_limit)
    : id_(std::move(id)),
      user_(std::move(user)),
      write_limit_(write_limit),
      targets_(std::move(targets)) {}

/// A machine that hangs takes nothing, and its connection goes on all the same.
Task<Status> Upload::write_in_time(net::Stream& stream, std::string_view bytes) const {
  Status outcome = Error{Code::timeout, "it has taken nothing for too long"};
  co_await async::first_of(write_to(stream, bytes, outcome), expire(write_limit_));
  co_return outcome;
}

Task<Status> Upload::write(std::string_view bytes) {
  const auto piece = piece_of(bytes);
  for (auto& target : targets_) {
    const auto written = co_await write_in_time(*target.stream, piece);
    if (!written.ok()) {
      log::warning(kRoom, "node {} takes no more: {}", target.node, written.error().message);
      target.stream->close();
      target.stream.reset();
    }
  }
  std::erase_if(targets_, [](const Target& target) { return target.stream == nullptr; });
  if (targets_.empty()) {
    co_return Error{Code::unavailable, "the machines that took this blob have gone: begin again"};
  }
  size_ += static_cast<std::int64_t>(bytes.size());
  co_return ok();
}

Task<void> Upload::commit(Target& target, std::string_view last) const {
  (void)co_await write_in_time(*target.stream, last);  // what follows tells
  co_await async::first_of(read_answer(*target.stream, target.outcome),
                           expire(reach::kBlobCommitMax));
  target.stream->close();
}

/// At once: one that is done drops the blob again where another lets us wait for too long.
Task<void> Upload::commit_from(std::size_t index, std::string_view last) {
  if (index < targets_.size()) {
    co_await async::both(commit(targets_[index], last), commit_from(index + 1, last));
  }
}

Task<Result<std::vector<std::string>>> Upload::finish(std::string digest) {
  const auto last = last_piece(digest, size_);
  co_await commit_from(0, last);
  std::vector<std::string> out;
  Status failure = Error{Code::unavailable, "no machine has taken this blob"};
  for (auto& target : targets_) {
    if (target.outcome.ok()) {
      out.push_back(target.node);
    } else {
      log::debug(kRoom, "node {}: {}", target.node, target.outcome.error().message);
      failure = std::move(target.outcome);
    }
  }
  targets_.clear();
  if (out.empty()) {
    co_return failure.error();
  }
  co_return out;
}

void Upload::close() {
  for (auto& target : targets_) {
    target.stream->close();
  }
  targets_.clear();
}

Uploads::Taken::~Taken() {
  give_back();
}

Uploads::Taken::Taken(Taken&& other) noexcept
    : owner_(other.owner_), upload_(std::move(other.upload_)) {}

Uploads::Taken& Uploads::Taken::operator=(Taken&& other) noexcept {
  give_back();
  owner_ = other.owner_;
  upload_ = std::move(other.upload_);
  return *this;
}

void Uploads::Taken::give_back() {
  if (upload_) {
    owner_->give_back(*upload_);
    upload_.reset();
  }
}

void Uploads::give_back(Upload& upload) {
  const std::lock_guard lock(mutex_);
  upload.is_taken_ = false;
  upload.last_used_ = parts_.clock.steady();
}

/// By chance, so that blobs spread.
Task<std::vector<Upload::Target>> Uploads::open_targets() {
  auto nodes = parts_.nodes();
  std::vector<Upload::Target> out;
  while (!nodes.empty() && out.size() < kCopies) {
    const auto at =
        nodes.begin() + static_cast<std::ptrdiff_t>(parts_.random.next() % nodes.size());
    const auto node = *at;
    nodes.erase(at);
    auto stream = co_await parts_.open(NodeName(node), R"({"kind":"blob-put"})");
    if (stream.ok()) {
      Upload::Target target;
      target.node = node;
      target.stream = *std::move(stream);
      out.push_back(std::move(target));
    } else {
      log::warning(kRoom, "node {} takes no blob: {}", node, stream.error().message);
    }
  }
  co_return out;
}

Task<Result<Uploads::Taken>> Uploads::begin(std::string user) {
  {
    const std::lock_guard lock(mutex_);
    if (uploads_.size() >= kUploadsMax) {
      co_return Error{Code::exhausted, "there are too many uploads at once: try again later"};
    }
  }
  auto targets = co_await open_targets();
  if (targets.empty()) {
    co_return Error{Code::unavailable, "there is no machine that could keep a blob"};
  }
  auto upload = std::make_shared<Upload>(
      make_uuid(parts_.random), std::move(user), std::move(targets), parts_.write_limit);
  const std::lock_guard lock(mutex_);
  upload->is_taken_ = true;
  uploads_[upload->id()] = upload;
  co_return Taken(*this, std::move(upload));
}

Uploads::Taken Uploads::take(const std::string& id, const std::string& user) {
  const std::lock_guard lock(mutex_);
  const auto at = uploads_.find(id);
  if (at == uploads_.end() || at->second->user() != user || at->second->is_taken_) {
    return {};
  }
  at->second->is_taken_ = true;
  return {*this, at->second};
}

void Uploads::end(const std::string& id) {
  const std::lock_guard lock(mutex_);
  uploads_.erase(id);
}

Task<void> Uploads::keep() {
  while (true) {
    co_await async::sleep_for(std::chrono::minutes(1));
    const auto now = parts_.clock.steady();
    std::vector<std::shared_ptr<Upload>> idle;
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(uploads_, [&](const auto& entry) {
        const bool is_idle = !entry.second->is_taken_ && now - entry.second->last_used_ >= kIdleMax;
        if (is_idle) {
          idle.push_back(entry.second);
        }
        return is_idle;
      });
    }
    for (const auto& upload : idle) {
      upload->close();
    }
  }
}

}  // namespace tetrarch::api::distribution
