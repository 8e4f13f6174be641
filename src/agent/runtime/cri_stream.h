// SPDX-License-Identifier: Apache-2.0
// One connection to the streaming server inside containerd. CRI names it by a URL that is good for
// one connection; it speaks WebSocket, a message being a channel's number and its bytes. Only what
// attaching needs: it is the client of a server of our own machine. Used on one strand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "async/task.h"
#include "base/result.h"

namespace tetrarch::agent::runtime {

/// Source: Kubernetes, remote command protocol v4.channel.k8s.io.
enum class CriChannel : std::uint8_t { in = 0, out = 1, err = 2, status = 3 };

struct CriMessage {
  CriChannel channel = CriChannel::out;
  std::string bytes;
};

/// Takes whole messages of a server off a growing buffer. Source: RFC 6455, section 5.2.
class CriMessageDecoder {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }

  /// Empty: more bytes are needed. Code::cancelled: the server has closed. Code::malformed.
  Result<std::optional<CriMessage>> next();

 private:
  struct Frame {
    unsigned opcode;
    bool is_last;
    std::string_view payload;  ///< in the buffer
    std::size_t size;          ///< of the whole frame
  };

  Result<std::optional<Frame>> front() const;

  std::string buffer_;
  std::string message_;  ///< the parts of one that have come
};

/// A message as a client sends it, `mask` being four bytes of chance.
std::string cri_message(CriChannel channel, std::string_view bytes, std::string_view mask);

class CriStream {
 public:
  /// `url`: http://127.0.0.1:port/attach/token.
  static Task<Result<std::unique_ptr<CriStream>>> open(std::string url);

  explicit CriStream(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  /// Empty: the server has closed. One reader.
  Task<Result<std::optional<CriMessage>>> read();
  /// What has come already; empty also when there is nothing, or only the end, which read() tells.
  Task<Result<std::optional<CriMessage>>> read_ready();
  /// One writer.
  Task<Status> write(CriChannel channel, std::string bytes);
  /// Nothing more is written. The connection stays until this is destroyed: to close it while the
  /// server has not read all would take back what was written.
  Task<Status> end();

 private:
  Task<Result<std::optional<CriMessage>>> take(bool waits);
  Task<Status> shake_hands(std::string host, std::string path);

  boost::asio::ip::tcp::socket socket_;
  CriMessageDecoder decoder_;
};

}  // namespace tetrarch::agent::runtime
