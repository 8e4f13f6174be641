// SPDX-License-Identifier: Apache-2.0
// Blobs are read as files, where containerd has them (they never change), and written over its
// content service: one call for each blob, one answer for each message.
#include "agent/runtime/content.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <content.grpc.pb.h>
#include <fmt/format.h>
#include <leases.grpc.pb.h>
#include <sys/stat.h>

#include "agent/runtime/grpc_call.h"
#include "agent/runtime/on_pool.h"

namespace tetrarch::agent::runtime {
namespace {

namespace native = ::containerd::services::content::v1;
namespace leases = ::containerd::services::leases::v1;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr milliseconds kQuick = seconds(20);
constexpr milliseconds kCollection = minutes(5);
/// Ours: an upload over a slow line may take long; one that is forgotten must not stay for ever.
constexpr milliseconds kUpload = hours(6);

constexpr std::string_view kAlgorithm = "sha256:";
constexpr std::size_t kDigestSize = kAlgorithm.size() + 64;

void prepare(grpc::ClientContext& context, milliseconds limit) {
  set_deadline(context, limit);
  context.AddMetadata("containerd-namespace", kContainerdNamespace);
}

ContentInfo from_native(const native::Info& info) {
  ContentInfo out;
  out.digest = info.digest();
  out.size_bytes = info.size();
  out.labels = Labels(info.labels().begin(), info.labels().end());
  return out;
}

Status to_status(const grpc::Status& status) {
  return status.ok() ? ok() : Status(to_error(status));
}

}  // namespace

bool is_digest(std::string_view text) {
  return text.size() == kDigestSize && text.starts_with(kAlgorithm) &&
         text.find_first_not_of("0123456789abcdef", kAlgorithm.size()) == std::string_view::npos;
}

struct Content::Stubs {
  explicit Stubs(const std::string& socket)
      : channel(grpc::CreateChannel("unix://" + socket, grpc::InsecureChannelCredentials())),
        content(native::Content::NewStub(channel)),
        leases(leases::Leases::NewStub(channel)) {}

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<native::Content::Stub> content;
  std::unique_ptr<leases::Leases::Stub> leases;
};

struct ContentWriter::Call {
  Call(std::shared_ptr<Content::Stubs> its_stubs, std::string its_reference)
      : stubs(std::move(its_stubs)), reference(std::move(its_reference)) {
    prepare(context, kUpload);
    stream = stubs->content->Write(&context);
  }

  ~Call() { end(); }

  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// One message and its answer. What containerd says where it refuses.
  Status exchange(const native::WriteContentRequest& request) {
    native::WriteContentResponse answer;
    if (is_over || !stream->Write(request) || !stream->Read(&answer)) {
      finish();
      return outcome.ok() ? Status(Error{Code::cancelled, "the upload has ended"}) : outcome;
    }
    offset = answer.offset();
    return ok();
  }

  Status write(const std::string& bytes) {
    native::WriteContentRequest request;
    request.set_action(native::WRITE);
    request.set_ref(reference);
    request.set_offset(offset);
    request.set_data(bytes);
    return exchange(request);
  }

  Status commit(const ContentInfo& expected) {
    native::WriteContentRequest request;
    request.set_action(native::COMMIT);
    request.set_ref(reference);
    request.set_offset(offset);
    request.set_total(expected.size_bytes);
    request.set_expected(expected.digest);
    for (const auto& [key, value] : expected.labels) {
      (*request.mutable_labels())[key] = value;
    }
    auto committed = exchange(request);
    end();
    return committed;
  }

  Status abandon() {
    end();
    grpc::ClientContext own;
    prepare(own, kQuick);
    native::AbortRequest request;
    request.set_ref(reference);
    native::Nothing answer;
    return to_status(stubs->content->Abort(&own, request, &answer));
  }

  void end() {
    if (!is_over) {
      context.TryCancel();
      finish();
    }
  }

  /// containerd has ended the call: why. A cancellation would hide that.
  void finish() {
    if (!std::exchange(is_over, true)) {
      outcome = to_status(stream->Finish());
    }
  }

  const std::shared_ptr<Content::Stubs> stubs;
  const std::string reference;
  grpc::ClientContext context;
  std::unique_ptr<
      grpc::ClientReaderWriter<native::WriteContentRequest, native::WriteContentResponse>>
      stream;
  std::int64_t offset = 0;
  bool is_over = false;
  Status outcome = ok();
};

ContentWriter::ContentWriter(std::shared_ptr<Call> call, async::BlockingPool& blocking)
    : call_(std::move(call)), blocking_(blocking) {}

ContentWriter::~ContentWriter() = default;

Task<Status> ContentWriter::write(std::string bytes) {
  auto work = [call = call_, bytes = std::move(bytes)] { return call->write(bytes); };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<Status> ContentWriter::commit(ContentInfo expected) {
  auto work = [call = call_, expected = std::move(expected)]() -> Status {
    auto done = call->commit(expected);
    if (done.ok() || done.error().code != Code::already_exists) {
      return done;
    }
    (void)call->abandon();  // what was sent again is not needed
    grpc::ClientContext context;
    prepare(context, kQuick);
    native::UpdateRequest request;
    request.mutable_info()->set_digest(expected.digest);
    for (const auto& [key, value] : expected.labels) {
      (*request.mutable_info()->mutable_labels())[key] = value;
      request.mutable_update_mask()->add_paths("labels." + key);
    }
    native::UpdateResponse answer;
    return to_status(call->stubs->content->Update(&context, request, &answer));
  };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<void> ContentWriter::abandon() {
  auto work = [call = call_] { return call->abandon(); };
  // Nothing was begun, or containerd is away and will clear it up.
  (void)co_await on_pool(blocking_, std::move(work));
}

ContentReader::~ContentReader() {
  ::close(fd_);
}

Task<Result<std::string>> ContentReader::read(std::int64_t offset, std::size_t bytes) {
  auto work = [fd = fd_, offset, bytes]() -> Result<std::string> {
    std::string out(bytes, '\0');
    const auto count = ::pread(fd, out.data(), out.size(), offset);
    if (count < 0) {
      return Error{Code::unavailable, fmt::format("a blob cannot be read: {}", strerror(errno))};
    }
    out.resize(static_cast<std::size_t>(count));
    return out;
  };
  co_return co_await on_pool(blocking_, std::move(work));
}

Content::Content(const std::string& socket,
                 std::filesystem::path root,
                 async::BlockingPool& blocking)
    : stubs_(std::make_shared<Stubs>(socket)),
      // Source: containerd 1.6.20, content/local/store.go.
      blobs_(std::move(root) / "io.containerd.content.v1.content/blobs/sha256"),
      blocking_(blocking) {}

Content::~Content() = default;

Task<Result<std::optional<ContentInfo>>> Content::find(std::string digest) {
  auto work = [stubs = stubs_, digest]() -> Result<std::optional<ContentInfo>> {
    grpc::ClientContext context;
    prepare(context, kQuick);
    native::InfoRequest request;
    request.set_digest(digest);
    native::InfoResponse answer;
    const auto status = stubs->content->Info(&context, request, &answer);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
      return std::optional<ContentInfo>();
    }
    if (!status.ok()) {
      return to_error(status);
    }
    return std::optional(from_native(answer.info()));
  };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<Result<std::vector<ContentInfo>>> Content::list_kept() {
  auto work = [stubs = stubs_]() -> Result<std::vector<ContentInfo>> {
    grpc::ClientContext context;
    prepare(context, kQuick);
    native::ListContentRequest request;
    request.add_filters(fmt::format("labels.\"{}\"", kKeptLabel));
    const auto stream = stubs->content->List(&context, request);
    std::vector<ContentInfo> out;
    native::ListContentResponse piece;
    while (stream->Read(&piece)) {
      for (const auto& info : piece.info()) {
        out.push_back(from_native(info));
      }
    }
    TRY_STATUS(to_status(stream->Finish()));
    return out;
  };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<Result<std::unique_ptr<ContentWriter>>> Content::begin(std::string reference) {
  auto work = [stubs = stubs_, reference]() -> Result<std::shared_ptr<ContentWriter::Call>> {
    auto call = std::make_shared<ContentWriter::Call>(stubs, reference);
    native::WriteContentRequest request;
    request.set_action(native::STAT);
    request.set_ref(reference);
    TRY_STATUS(call->exchange(request));
    return call;
  };
  CO_TRY(auto call, co_await on_pool(blocking_, std::move(work)));
  co_return std::make_unique<ContentWriter>(std::move(call), blocking_);
}

Task<Result<std::unique_ptr<ContentReader>>> Content::open(std::string digest) {
  if (!is_digest(digest)) {
    co_return Error{Code::malformed, fmt::format("\"{}\" is no digest", digest)};
  }
  auto work = [path =
                   blobs_ / digest.substr(kAlgorithm.size())]() -> Result<std::pair<int, off_t>> {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts = {};
    if (fd < 0 || ::fstat(fd, &facts) != 0) {
      const int error = errno;
      if (fd >= 0) {
        ::close(fd);
      }
      return Error{error == ENOENT ? Code::not_found : Code::unavailable,
                   fmt::format("blob {}: {}", path.filename().string(), strerror(error))};
    }
    return std::pair(fd, facts.st_size);
  };
  CO_TRY(const auto file, co_await on_pool(blocking_, std::move(work)));
  co_return std::make_unique<ContentReader>(file.first, file.second, blocking_);
}

Task<Status> Content::set_kept(std::string digest, std::string value) {
  auto work = [stubs = stubs_, digest, value]() -> Status {
    grpc::ClientContext context;
    prepare(context, kQuick);
    native::UpdateRequest request;
    request.mutable_info()->set_digest(digest);
    (*request.mutable_info()->mutable_labels())[kKeptLabel] = value;  // an empty one is removed
    request.mutable_update_mask()->add_paths(std::string("labels.") + kKeptLabel);
    native::UpdateResponse answer;
    return to_status(stubs->content->Update(&context, request, &answer));
  };
  co_return co_await on_pool(blocking_, std::move(work));
}

Task<Status> Content::collect() {
  auto work = [stubs = stubs_]() -> Status {
    const std::string id = "tetrarch-collect";
    leases::CreateRequest create;
    create.set_id(id);
    leases::CreateResponse created;
    grpc::ClientContext first;
    prepare(first, kQuick);
    const auto made = to_status(stubs->leases->Create(&first, create, &created));
    if (!made.ok() && made.error().code != Code::already_exists) {
      return made;
    }
    leases::DeleteRequest remove;
    remove.set_id(id);
    remove.set_sync(true);
    leases::Nothing removed;
    grpc::ClientContext second;
    prepare(second, kCollection);
    return to_status(stubs->leases->Delete(&second, remove, &removed));
  };
  co_return co_await on_pool(blocking_, std::move(work));
}

}  // namespace tetrarch::agent::runtime
