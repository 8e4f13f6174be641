// SPDX-License-Identifier: Apache-2.0
#include "net/transport_stream.h"

#include <algorithm>
#include <cstring>

#include "net/prompt_stream.h"

namespace tetrarch::net {
namespace {

class TransportStream final : public PromptStream {
 public:
  TransportStream(std::unique_ptr<Transport> transport, std::string early)
      : transport_(std::move(transport)), early_(std::move(early)) {}

  ~TransportStream() override { transport_->close(); }

  Task<Result<std::size_t>> read(char* into, std::size_t size) override {
    if (at_ < early_.size()) {
      const auto n = std::min(size, early_.size() - at_);
      std::memcpy(into, early_.data() + at_, n);
      at_ += n;
      co_return n;
    }
    if (!transport_->is_open()) {
      co_return Error{Code::cancelled, "the stream is closed"};
    }
    co_return co_await transport_->read(into, size);
  }

  Task<Status> write(std::string_view bytes) override {
    if (!transport_->is_open()) {
      co_return Error{Code::cancelled, "the stream is closed"};
    }
    while (!bytes.empty()) {
      const auto n = std::min(bytes.size(), Transport::kWriteSize);
      CO_TRY_STATUS(transport_->append(bytes.substr(0, n)));
      bytes.remove_prefix(n);
      CO_TRY_STATUS(co_await transport_->flush());
    }
    co_return ok();
  }

  /// An error shows itself at the next write.
  bool write_now(std::string_view bytes) override {
    if (!transport_->is_open() || transport_->pending() > 0 || !transport_->append(bytes).ok()) {
      return false;
    }
    static_cast<void>(transport_->flush_now());
    return true;
  }

  Task<Status> shut_write() override { co_return co_await transport_->shut_write(); }

  void close() override { transport_->close(); }

 private:
  std::unique_ptr<Transport> transport_;
  std::string early_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Stream> make_transport_stream(std::unique_ptr<Transport> transport,
                                              std::string early) {
  return std::make_unique<TransportStream>(std::move(transport), std::move(early));
}

}  // namespace tetrarch::net
