// SPDX-License-Identifier: Apache-2.0
// What every answer of this API gets on its way out: the request's id, and gzip where the client
// takes it and the body is worth it. Wraps the connection's exchange while a handler runs; one
// strand.
#pragma once

#include <string>

#include "net/http.h"

namespace tetrarch::api::kubernetes {

class Answer final : public net::Exchange {
 public:
  /// Source: Kubernetes apiserver, compression of responses: from 128 KiB on, at level 1.
  static constexpr std::size_t kGzipMin = 128 * 1024;

  /// `inner` outlives this.
  Answer(net::Exchange& inner, std::string audit_id, bool takes_gzip)
      : inner_(inner), audit_id_(std::move(audit_id)), takes_gzip_(takes_gzip) {}

  Task<Status> respond(int status, net::Headers headers, std::string body) override;
  Task<Status> respond(int status, net::Headers headers, net::Body body) override;
  Task<Status> start(int status, net::Headers headers) override;
  Task<Status> write(net::Body body) override;
  Task<Status> finish() override;
  bool is_client_gone() const override;
  void on_client_gone(std::function<void()> notice) override;
  Task<Result<std::unique_ptr<net::Stream>>> upgrade_raw(net::Headers headers) override;
  Task<Result<std::unique_ptr<net::WebSocket>>> upgrade_websocket(std::string subprotocol) override;

  const std::string& audit_id() const { return audit_id_; }

  /// Adds to the headers of the answer.
  std::function<void(net::Headers& headers)> adds;
  /// Called when an answer of open length begins, or the connection is taken over.
  std::function<void(int status)> on_started;
  /// Whether a body of that status is to be kept; those over `kKeptMax` are not.
  std::function<bool(int status)> keeps;
  static constexpr std::size_t kKeptMax = 1024 * 1024;

  const std::string& kept_body() const { return kept_; }

 private:
  void mark(net::Headers& headers) const;
  void keep(int status, const net::Body& body);
  void note_started(int status) const;
  Task<Status> respond_zipped(int status, net::Headers headers, net::Body body);
  Task<Status> respond_zipped_text(int status, net::Headers headers, std::string body);

  net::Exchange& inner_;
  const std::string audit_id_;
  const bool takes_gzip_;
  std::string kept_;
};

}  // namespace tetrarch::api::kubernetes
