// SPDX-License-Identifier: Apache-2.0
// Content: containerd's store of blobs by digest. What is put here with kKeptLabel stays, whatever
// images use it; containerd checks the digest of everything. Thread-safe; a writer or a reader
// belongs to one coroutine at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/runtime/runtime.h"
#include "async/io_pool.h"

namespace tetrarch::agent::runtime {

/// Source: containerd 1.6.20, metadata/gc.go: content with this label is a root of the collection.
inline constexpr const char* kKeptLabel = "containerd.io/gc.root";

struct ContentInfo {
  std::string digest;  ///< "sha256:" and 64 hexadecimal digits
  std::int64_t size_bytes = 0;
  Labels labels = {};
};

/// A blob on its way in. Destroying it before commit or abandon leaves a remainder, which
/// containerd clears away after a day.
class ContentWriter {
 public:
  struct Call;

  ContentWriter(std::shared_ptr<Call> call, async::BlockingPool& blocking);
  ~ContentWriter();
  ContentWriter(const ContentWriter&) = delete;
  ContentWriter& operator=(const ContentWriter&) = delete;

  Task<Status> write(std::string bytes);
  /// Code::precondition: the bytes are not what `expected` says. The same bytes may be there
  /// already; then it gets the labels.
  Task<Status> commit(ContentInfo expected);
  Task<void> abandon();

 private:
  std::shared_ptr<Call> call_;  // shared with what runs on the pool
  async::BlockingPool& blocking_;
};

class ContentReader {
 public:
  ContentReader(int fd, std::int64_t size, async::BlockingPool& blocking)
      : fd_(fd), size_(size), blocking_(blocking) {}

  ~ContentReader();
  ContentReader(const ContentReader&) = delete;
  ContentReader& operator=(const ContentReader&) = delete;

  std::int64_t size() const { return size_; }

  /// Fewer at the end; none behind it.
  Task<Result<std::string>> read(std::int64_t offset, std::size_t bytes);

 private:
  const int fd_;
  const std::int64_t size_;
  async::BlockingPool& blocking_;
};

class Content {
 public:
  /// `socket` and `root` are containerd's; `blocking` outlives it.
  Content(const std::string& socket, std::filesystem::path root, async::BlockingPool& blocking);
  ~Content();
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;

  Task<Result<std::optional<ContentInfo>>> find(std::string digest);
  /// Those with kKeptLabel.
  Task<Result<std::vector<ContentInfo>>> list_kept();
  /// `reference` names the upload; no two of one name at a time.
  Task<Result<std::unique_ptr<ContentWriter>>> begin(std::string reference);
  /// Code::not_found: it is not here.
  Task<Result<std::unique_ptr<ContentReader>>> open(std::string digest);
  /// `value` empty: without kKeptLabel. Images that use it keep it all the same.
  Task<Status> set_kept(std::string digest, std::string value);
  /// Frees what nothing keeps; returns when it is done.
  Task<Status> collect();

  struct Stubs;

 private:
  std::shared_ptr<Stubs> stubs_;  // shared with what runs on the pool
  const std::filesystem::path blobs_;
  async::BlockingPool& blocking_;
};

/// "sha256:" and 64 lower-case hexadecimal digits: the only algorithm that we take. Pure.
bool is_digest(std::string_view text);

}  // namespace tetrarch::agent::runtime
