// SPDX-License-Identifier: Apache-2.0
#include "net/harness_test.h"

#include <unistd.h>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

namespace tetrarch::net::testing {

Task<void> echo(Request request, Exchange& exchange) {
  Headers headers;
  headers.add("Content-Type", "text/plain");
  std::string body =
      request.method + "\n" + request.path + "\n" + request.query + "\n" + request.body;
  (void)co_await exchange.respond(200, std::move(headers), std::move(body));
}

TestServer::TestServer(FunctionHandler::Function function,
                       ServerOptions options,
                       std::shared_ptr<TlsContext> tls)
    : handler_(std::move(function)), server_(pool_, handler_, std::move(options)) {
  auto port = server_.listen("127.0.0.1", 0, std::move(tls));
  EXPECT_TRUE(port.ok());
  port_ = port.value_or(0);
  server_.run();
}

TestServer::~TestServer() {
  stop();
}

void TestServer::stop() {
  if (!std::exchange(is_stopped_, true)) {
    server_.stop_and_wait();
  }
}

RawClient::RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{10, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  has_failed_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0;
}

RawClient::RawClient(std::uint16_t port,
                     const std::string& ca_pem,
                     const Issued& mine,
                     bool offers_h2)
    : RawClient(port) {
  context_ = SSL_CTX_new(TLS_client_method());
  BIO* bio = BIO_new_mem_buf(ca_pem.data(), static_cast<int>(ca_pem.size()));
  X509* ca = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), ca);
  X509_free(ca);
  BIO_free(bio);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  if (!mine.certificate_pem.empty()) {
    bio =
        BIO_new_mem_buf(mine.certificate_pem.data(), static_cast<int>(mine.certificate_pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_, certificate);
    X509_free(certificate);
    BIO_free(bio);
    bio = BIO_new_mem_buf(mine.key_pem.data(), static_cast<int>(mine.key_pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(context_, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
  }
  if (offers_h2) {
    static constexpr unsigned char kOffer[] = "\x02h2\x08http/1.1";
    SSL_CTX_set_alpn_protos(context_, kOffer, sizeof(kOffer) - 1);
  }
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  has_failed_ = has_failed_ || SSL_connect(ssl_) != 1;
}

RawClient::~RawClient() {
  close();
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                   : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool RawClient::read_more() {
  char chunk[65536];
  const auto n =
      ssl_ != nullptr ? SSL_read(ssl_, chunk, sizeof(chunk)) : ::recv(fd_, chunk, sizeof(chunk), 0);
  if (n <= 0) {
    return false;
  }
  buffer_.append(chunk, static_cast<std::size_t>(n));
  return true;
}

std::string RawClient::read_until(std::string_view mark) {
  std::size_t at = 0;
  while ((at = buffer_.find(mark)) == std::string::npos) {
    if (!read_more()) {
      return std::exchange(buffer_, {});
    }
  }
  std::string out = buffer_.substr(0, at + mark.size());
  buffer_.erase(0, out.size());
  return out;
}

std::string RawClient::read_exactly(std::size_t size) {
  while (buffer_.size() < size && read_more()) {
  }
  std::string out = buffer_.substr(0, size);
  buffer_.erase(0, out.size());
  return out;
}

std::string RawClient::read_response(bool is_head) {
  std::string head = read_until("\r\n\r\n");
  if (is_head) {
    return head;
  }
  if (head.find("chunked") != std::string::npos) {
    return head + read_until("0\r\n\r\n");
  }
  const auto at = head.find("Content-Length: ");
  if (at == std::string::npos) {
    return head;
  }
  return head + read_exactly(std::stoul(head.substr(at + 16)));
}

std::string RawClient::read_some() {
  if (buffer_.empty()) {
    read_more();
  }
  return std::exchange(buffer_, {});
}

std::string RawClient::read_to_end() {
  while (read_more()) {
  }
  return std::exchange(buffer_, {});
}

void RawClient::shut_write() {
  ::shutdown(fd_, SHUT_WR);
}

void RawClient::close() {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

std::string RawClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace tetrarch::net::testing
