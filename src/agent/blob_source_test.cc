// SPDX-License-Identifier: Apache-2.0
// Over real connections: a server of the cluster and other nodes, all on loopback.
#include "agent/blob_source.h"

#include <atomic>
#include <functional>
#include <future>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/blob_server.h"
#include "net/server.h"
#include "trust/ca.h"

namespace tetrarch::agent {
namespace {

using std::chrono::milliseconds;

TEST(BlobSource, ReadsWhoHasABlob) {
  EXPECT_EQ(parse_peers(""), std::vector<BlobPeer>());
  EXPECT_EQ(
      parse_peers("m1 https://10.0.0.1:6444, m2 https://[fd00::2]:6444,nonsense"),
      (std::vector<BlobPeer>{{"m1", "https://10.0.0.1:6444"}, {"m2", "https://[fd00::2]:6444"}}));
}

TEST(BlobSource, ReadsOpenRangesOnly) {
  EXPECT_EQ(open_range(""), 0);
  EXPECT_EQ(open_range("bytes=0-"), 0);
  EXPECT_EQ(open_range("bytes=4711-"), 4711);
  for (const auto* other :
       {"bytes=1-2", "bytes=-5", "bytes=-", "bytes=x-", "lines=1-", "bytes=1-,4-"}) {
    EXPECT_FALSE(open_range(other)) << other;
  }
}

/// A listener that answers with a function.
class Listener final : public net::Handler {
 public:
  using Function = std::function<Task<void>(net::Request, net::Exchange&)>;

  Listener(async::IoPool& pool, Function answer, std::shared_ptr<net::TlsContext> tls = nullptr)
      : answer_(std::move(answer)), server_(pool, *this, net::ServerOptions{}) {
    port = server_.listen("127.0.0.1", 0, std::move(tls)).value();
    server_.run();
  }

  ~Listener() override { server_.stop_and_wait(); }

  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    ++requests;
    co_await answer_(std::move(request), exchange);
  }

  std::uint16_t port = 0;
  std::atomic<int> requests{0};

 private:
  Function answer_;
  net::Server server_;
};

/// What a holder of `content` answers; it breaks off behind `most` bytes.
Listener::Function giving(std::string content, std::size_t most) {
  struct Answer {
    static Task<void> give(std::string text,
                           std::size_t stop,
                           net::Request in,
                           net::Exchange& out) {
      const auto begin = static_cast<std::size_t>(*open_range(in.headers.get("Range")));
      net::Headers headers;
      headers.add("Content-Length", std::to_string(text.size() - begin));
      if (begin > 0) {
        headers.add("Content-Range",
                    fmt::format("bytes {}-{}/{}", begin, text.size() - 1, text.size()));
      }
      (void)co_await out.start(begin > 0 ? 206 : 200, std::move(headers));
      net::Body body;
      body.pieces.emplace_back(std::string_view(text).substr(begin, stop));
      (void)co_await out.write(std::move(body));
      if (begin + stop >= text.size()) {
        (void)co_await out.finish();
      }
    }
  };

  return [content = std::move(content), most](net::Request request, net::Exchange& exchange) {
    return Answer::give(content, most, std::move(request), exchange);
  };
}

class BlobSourceTest : public testing::Test {
 protected:
  BlobSourceTest()
      : ca_(*trust::CertificateAuthority::create("ca", system_clock().now())),
        tls_(*net::TlsContext::for_client(shown_by("me"))),
        content_(3'000'000, 'x') {
    for (std::size_t at = 0; at < content_.size(); at += 1000) {
      content_[at] = static_cast<char>('a' + at / 1000 % 26);
    }
  }

  net::TlsMaterial shown_by(const std::string& node) const {
    const auto pair =
        *ca_.issue_client({"system:node:" + node, {"system:nodes"}}, system_clock().now());
    return {pair.certificate_pem, pair.key_pem, ca_.certificate_pem()};
  }

  /// A node that shows the certificate of `name`.
  std::unique_ptr<Listener> peer(const std::string& name, Listener::Function answer) {
    return std::make_unique<Listener>(
        pool_, std::move(answer), *net::TlsContext::for_server(shown_by(name)));
  }

  /// The servers: they name `peers`, and give the blob themselves.
  void make_source(std::string peers) {
    struct Answer {
      static Task<void> give(BlobSourceTest& test,
                             std::string named,
                             net::Request in,
                             net::Exchange& out) {
        if (in.method == "GET") {
          ++test.relayed_;
          const auto all = giving(test.content_, test.content_.size());
          co_await all(std::move(in), out);
          co_return;
        }
        net::Headers headers;
        headers.add("Content-Length", std::to_string(test.content_.size()));
        headers.add(std::string(kPeersHeader), std::move(named));
        (void)co_await out.start(in.path.ends_with("none") ? 404 : 200, std::move(headers));
        (void)co_await out.finish();
      }
    };

    server_ = std::make_unique<Listener>(
        pool_, [this, peers](net::Request request, net::Exchange& exchange) {
          return Answer::give(*this, peers, std::move(request), exchange);
        });
    net::ClientOptions to;
    to.url = fmt::format("http://127.0.0.1:{}", server_->port);
    client_ = *net::Client::make(std::move(to), nullptr);
    source_ = std::make_unique<BlobSource>(
        BlobSource::Parts{*client_, tls_, system_clock(), metrics_, milliseconds(1)});
  }

  static std::string named(const std::string& node, const Listener& at) {
    return fmt::format("{} https://127.0.0.1:{}", node, at.port);
  }

  static Task<void> read_all(BlobSource& source, BlobRequest request, Result<std::string>& out) {
    auto stream = co_await source.open(std::move(request));
    if (!stream.ok()) {
      out = stream.error();
      co_return;
    }
    std::string all;
    while (true) {
      auto piece = co_await (*stream)->read();
      if (!piece.ok()) {
        out = piece.error();
        co_return;
      }
      if (piece->empty()) {
        out = std::move(all);
        co_return;
      }
      all += *piece;
    }
  }

  Result<std::string> fetch(std::int64_t begin = 0, std::string digest = "sha256:1") {
    Result<std::string> out = Error{Code::internal, "not run"};
    BlobRequest request{"/v2/app/blobs/" + digest, digest, begin};
    asio::co_spawn(pool_.strand(), read_all(*source_, std::move(request), out), asio::use_future)
        .get();
    return out;
  }

  std::uint64_t counted(const char* from) {
    return metrics_
        .counter("tetrarch_agent_blob_bytes_total", "", fmt::format(R"(from="{}")", from))
        .value();
  }

  async::IoPool pool_{2};
  trust::CertificateAuthority ca_;
  std::shared_ptr<net::TlsContext> tls_;
  std::string content_;
  Metrics metrics_;
  std::atomic<int> relayed_{0};
  std::unique_ptr<Listener> server_;
  std::unique_ptr<net::Client> client_;
  std::unique_ptr<BlobSource> source_;
};

TEST_F(BlobSourceTest, ABlobComesFromAnotherNodeAndNotThroughAServer) {
  const auto m1 = peer("m1", giving(content_, content_.size()));
  make_source(named("m1", *m1));

  EXPECT_EQ(*fetch(), content_);
  EXPECT_EQ(*fetch(1'000'000), content_.substr(1'000'000));

  EXPECT_EQ(relayed_, 0);
  EXPECT_EQ(counted("machine"), content_.size() * 2 - 1'000'000);
  EXPECT_EQ(counted("server"), 0U);
}

TEST_F(BlobSourceTest, WhereOneBreaksOffTheNextGoesOnAndAServerIsTheLast) {
  const auto m1 = peer("m1", giving(content_, 1'000'000));
  const auto m2 = peer("m2", giving(content_, 500'000));
  make_source(named("m1", *m1) + ", " + named("m2", *m2));

  EXPECT_EQ(*fetch(), content_);

  EXPECT_EQ(relayed_, 1);
  EXPECT_EQ(counted("machine"), 1'500'000U);
  EXPECT_EQ(counted("server"), 1'500'000U);
}

TEST_F(BlobSourceTest, WhoShowsAnotherNodesCertificateIsNotBelieved) {
  const auto liar = peer("m9", giving("lies", 4));
  make_source(named("m1", *liar));

  EXPECT_EQ(*fetch(), content_);

  EXPECT_EQ(liar->requests, 0);
  EXPECT_EQ(relayed_, 1);
}

TEST_F(BlobSourceTest, WhoDoesNotAnswerIsNotAskedAgainForAWhile) {
  auto gone = peer("m1", giving(content_, content_.size()));
  make_source(named("m1", *gone));
  const auto port = gone->port;
  gone.reset();
  EXPECT_EQ(*fetch(), content_);
  EXPECT_EQ(relayed_, 1);

  EXPECT_EQ(*fetch(), content_);

  EXPECT_EQ(relayed_, 2) << port;
}

TEST_F(BlobSourceTest, WhoIsBusyIsAskedAgain) {
  std::atomic<int> asked{0};

  struct Busy {
    static Task<void> answer(std::atomic<int>& count,
                             std::string content,
                             net::Request request,
                             net::Exchange& exchange) {
      if (++count < 3) {
        (void)co_await exchange.respond(503, {}, std::string("busy"));
        co_return;
      }
      const auto size = content.size();
      const auto give = giving(std::move(content), size);
      co_await give(std::move(request), exchange);
    }
  };

  const auto m1 = peer("m1", [&](net::Request request, net::Exchange& exchange) {
    return Busy::answer(asked, content_, std::move(request), exchange);
  });
  make_source(named("m1", *m1));

  EXPECT_EQ(*fetch(), content_);

  EXPECT_EQ(asked, 3);
  EXPECT_EQ(relayed_, 0);
}

TEST_F(BlobSourceTest, WhatTheClusterDoesNotHaveIsNotFound) {
  make_source("");

  EXPECT_EQ(fetch(0, "sha256:none").error().code, Code::not_found);
}

/// The other side, as far as it needs no containerd.
class BlobServerTest : public BlobSourceTest {
 protected:
  BlobServerTest() : content_store_("/nowhere/socket", "/nowhere", blocking_) {
    auto port = server_side_.start("127.0.0.1", 0, *net::TlsContext::for_server(shown_by("m1")));
    net::ClientOptions to;
    to.url = fmt::format("https://127.0.0.1:{}", port.value());
    to.tls_name = "system:node:m1";
    options_ = std::move(to);
  }

  ~BlobServerTest() override {
    asio::co_spawn(pool_.strand(), server_side_.stop(), asio::use_future).get();
  }

  static Task<void> send(net::Client& client, std::string method, std::string target, int& status) {
    net::ClientRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    const auto answer = co_await client.request(std::move(request));
    status = answer.ok() ? answer->status : 0;
  }

  int ask(const net::TlsMaterial& material, std::string method, std::string target) {
    const auto client = *net::Client::make(options_, *net::TlsContext::for_client(material));
    int status = 0;
    asio::co_spawn(pool_.strand(),
                   send(*client, std::move(method), std::move(target), status),
                   asio::use_future)
        .get();
    return status;
  }

  async::BlockingPool blocking_{1};
  runtime::Content content_store_;
  BlobServer server_side_{pool_, content_store_, metrics_};
  net::ClientOptions options_;
};

TEST_F(BlobServerTest, AnswersNodesOfTheClusterAlone) {
  const std::string blob = "/blobs/sha256:" + std::string(64, '0');
  const auto user = *ca_.issue_client({"ann", {"system:nodes"}}, system_clock().now());
  const auto stranger = *trust::CertificateAuthority::create("ca", system_clock().now());
  const auto forged =
      *stranger.issue_client({"system:node:m2", {"system:nodes"}}, system_clock().now());

  EXPECT_EQ(ask(shown_by("m2"), "GET", blob), 404);
  EXPECT_EQ(ask(shown_by("m2"), "POST", blob), 405);
  EXPECT_EQ(ask(shown_by("m2"), "GET", "/metrics"), 405);
  EXPECT_EQ(ask({user.certificate_pem, user.key_pem, ca_.certificate_pem()}, "GET", blob), 403);
  EXPECT_EQ(ask({forged.certificate_pem, forged.key_pem, ca_.certificate_pem()}, "GET", blob), 403);
  EXPECT_EQ(ask({"", "", ca_.certificate_pem()}, "GET", blob), 403);
}

}  // namespace
}  // namespace tetrarch::agent
