// SPDX-License-Identifier: Apache-2.0
// Uploads under way: each goes to the agents of one or two machines as it comes, which check its
// digest and keep it. Nothing of it is held here. They end with the server; a client begins again.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/distribution/distribution.h"

namespace tetrarch::api::distribution {

/// One blob on its way. One request at a time works on it (`try_take`).
class Upload {
 public:
  struct Target {
    std::string node;
    std::unique_ptr<net::Stream> stream;
    Status outcome = Error{Code::timeout, "it took too long"};  ///< of its end
  };

  /// `write_limit`: of a piece, after which a machine is left out.
  Upload(std::string id,
         std::string user,
         std::vector<Target> targets,
         std::chrono::nanoseconds write_limit);

  const std::string& id() const { return id_; }

  const std::string& user() const { return user_; }

  std::int64_t size() const { return size_; }

  /// Code::unavailable: no machine takes it any more.
  Task<Status> write(std::string_view bytes);
  /// The nodes that have it now. Code::invalid: it is not what `digest` says.
  Task<Result<std::vector<std::string>>> finish(std::string digest);
  void close();

 private:
  friend class Uploads;

  Task<Status> write_in_time(net::Stream& stream, std::string_view bytes) const;
  Task<void> commit(Target& target, std::string_view last) const;
  Task<void> commit_from(std::size_t index, std::string_view last);

  const std::string id_;
  const std::string user_;
  const std::chrono::nanoseconds write_limit_;
  std::vector<Target> targets_;
  std::int64_t size_ = 0;
  // Guarded by the mutex of Uploads.
  bool is_taken_ = false;
  SteadyPoint last_used_{};
};

class Uploads {
 public:
  explicit Uploads(const Parts& parts) : parts_(parts) {}

  /// Hands an upload back when the request that works on it ends.
  class Taken {
   public:
    Taken() = default;

    Taken(Uploads& owner, std::shared_ptr<Upload> upload)
        : owner_(&owner), upload_(std::move(upload)) {}

    ~Taken();
    Taken(Taken&& other) noexcept;
    Taken& operator=(Taken&& other) noexcept;

    explicit operator bool() const { return upload_ != nullptr; }

    Upload* operator->() const { return upload_.get(); }

    Upload& operator*() const { return *upload_; }

   private:
    void give_back();

    Uploads* owner_ = nullptr;
    std::shared_ptr<Upload> upload_;
  };

  /// Code::exhausted: there are as many as there may be. Code::unavailable: no machine takes it.
  Task<Result<Taken>> begin(std::string user);
  /// Empty: there is none of that id of this user, or a request works on it.
  Taken take(const std::string& id, const std::string& user);
  void end(const std::string& id);
  /// Ends those that nobody has worked on for ten minutes. Until cancelled.
  Task<void> keep();

 private:
  Task<std::vector<Upload::Target>> open_targets();
  void give_back(Upload& upload);

  const Parts& parts_;
  std::mutex mutex_;                                        // guards uploads_
  std::map<std::string, std::shared_ptr<Upload>> uploads_;  // shared with the request under way
};

}  // namespace tetrarch::api::distribution
