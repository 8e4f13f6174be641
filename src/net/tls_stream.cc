// SPDX-License-Identifier: Apache-2.0
#include "net/tls_stream.h"

#include <utility>

#include "net/tls_engine.h"

namespace tetrarch::net {
namespace {

/// What is encrypted before it is sent: as much as other buffers on the way hold.
constexpr std::size_t kChunk = 64 * 1024;

class TlsStream final : public Stream {
 public:
  TlsStream(std::unique_ptr<Stream> outside, const TlsContext& tls, const std::string& server_name)
      : outside_(std::move(outside)), engine_(tls, server_name) {}

  ~TlsStream() override { outside_->close(); }

  Task<Status> handshake() {
    while (true) {
      const auto progress = engine_.handshake();
      // On a failure this is the alert that tells the peer why.
      const auto sent = co_await flush();
      if (!progress.ok()) {
        co_return progress.error();
      }
      CO_TRY_STATUS(sent);
      if (*progress == TlsEngine::Progress::done) {
        co_return ok();
      }
      CO_TRY_STATUS(co_await take());
    }
  }

  Task<Result<std::size_t>> read(char* into, std::size_t size) override {
    while (true) {
      CO_TRY(const auto plain, engine_.read(into, size));
      if (plain.progress != TlsEngine::Progress::needs_input) {
        co_return plain.size;
      }
      CO_TRY_STATUS(co_await take());
    }
  }

  Task<Status> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto part = bytes.substr(0, kChunk);
      bytes.remove_prefix(part.size());
      CO_TRY_STATUS(engine_.encrypt(part));
      CO_TRY_STATUS(co_await flush());
    }
    co_return ok();
  }

  Task<Status> shut_write() override {
    engine_.say_goodbye();
    CO_TRY_STATUS(co_await flush());
    co_return co_await outside_->shut_write();
  }

  void close() override { outside_->close(); }

 private:
  Task<Status> take() {
    const auto space = engine_.input_space();
    CO_TRY(const auto got, co_await outside_->read(space.data, space.size));
    engine_.filled(got);
    co_return ok();
  }

  /// A reader may make the engine say something more meanwhile; that goes with the next write.
  Task<Status> flush() {
    const auto sealed = std::exchange(engine_.output(), {});
    if (sealed.empty()) {
      co_return ok();
    }
    co_return co_await outside_->write(sealed);
  }

  const std::unique_ptr<Stream> outside_;
  TlsEngine engine_;
};

}  // namespace

Task<Result<std::unique_ptr<Stream>>> begin_tls(std::unique_ptr<Stream> outside,
                                                std::shared_ptr<TlsContext> tls,
                                                std::string server_name) {
  auto stream = std::make_unique<TlsStream>(std::move(outside), *tls, server_name);
  CO_TRY_STATUS(co_await stream->handshake());
  co_return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace tetrarch::net
