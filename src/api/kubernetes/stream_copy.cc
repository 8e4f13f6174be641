// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/stream_copy.h"

#include <memory>
#include <string>

#include "async/timer.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::size_t kChunk = 32768;

}  // namespace

Task<void> copy_stream(net::Stream& from, net::Stream& to) {
  std::string buffer(kChunk, '\0');
  while (true) {
    const auto count = co_await from.read(buffer.data(), buffer.size());
    if (count.ok() && *count == 0) {
      (void)co_await to.shut_write();  // where that fails, the other direction finds out too
      co_return;
    }
    Status passed = count.ok() ? ok() : Status(count.error());
    if (passed.ok()) {
      const std::string_view bytes(buffer.data(), *count);
      passed = co_await to.write(bytes);
    }
    if (!passed.ok()) {
      from.close();
      to.close();
      co_return;
    }
  }
}

Task<void> wait_until_gone(net::Exchange& exchange) {
  const auto gone = std::make_shared<async::Event>();  // the notice may outlive this frame
  exchange.on_client_gone([gone] { gone->raise(); });
  while (!exchange.is_client_gone()) {
    co_await gone->wait_for(std::chrono::minutes(1));
  }
}

}  // namespace tetrarch::api::kubernetes
