// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "net/harness_test.h"
#include "net/tls_engine.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::EndsWith;
using ::testing::StartsWith;

Task<void> tell_peer(Request request, Exchange& exchange) {
  std::string text = "cn=" + request.peer.certificate_common_name;
  for (const auto& organization : request.peer.certificate_organizations) {
    text += " o=" + organization;
  }
  text += request.peer.is_certificate_refused ? " refused" : "";
  (void)co_await exchange.respond(200, {}, std::move(text));
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

class TlsServerTest : public ::testing::Test {
 protected:
  TlsServerTest() {
    const auto issued = authority_.issue("server", {}, true);
    tls_ = TlsContext::for_server({issued.certificate_pem, issued.key_pem, authority_.pem()})
               .value_or(nullptr);
  }

  std::string ask(const Issued& mine) {
    RawClient client(server().port(), authority_.pem(), mine);
    client.send(kGet);
    return client.read_response();
  }

  TestServer& server(FunctionHandler::Function function = tell_peer) {
    if (!server_) {
      server_ = std::make_unique<TestServer>(std::move(function), ServerOptions{}, tls_);
    }
    return *server_;
  }

  TestAuthority authority_{"test-ca"};
  std::shared_ptr<TlsContext> tls_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(TlsServerTest, KnowsNobodyWithoutACertificate) {
  EXPECT_THAT(ask({}), EndsWith("\r\n\r\ncn="));
}

TEST_F(TlsServerTest, ReadsUserAndGroupsFromAClientCertificate) {
  const auto mine = authority_.issue("system:node:a", {"system:nodes", "second"}, false);

  EXPECT_THAT(ask(mine), EndsWith("\r\n\r\ncn=system:node:a o=system:nodes o=second"));
}

/// Gives `to` what `from` has to send; how much that was.
std::size_t carry(TlsEngine& from, TlsEngine& to) {
  const auto bytes = std::exchange(from.output(), {});
  for (std::string_view rest = bytes; !rest.empty();) {
    const auto space = to.input_space();
    const auto n = std::min(space.size, rest.size());
    rest.copy(space.data, n);
    rest.remove_prefix(n);
    to.filled(n);
  }
  return bytes.size();
}

TEST_F(TlsServerTest, IsNotSentTheAuthorityThatItHasAnyway) {
  const auto mine = authority_.issue("system:node:a", {"system:nodes"}, false);
  const auto context =
      TlsContext::for_client({mine.certificate_pem, mine.key_pem, authority_.pem()});
  ASSERT_TRUE(context.ok());
  TlsEngine client(**context, "localhost");
  TlsEngine server(*tls_, "");

  EXPECT_EQ(*client.handshake(), TlsEngine::Progress::needs_input);
  carry(client, server);
  EXPECT_EQ(*server.handshake(), TlsEngine::Progress::needs_input);
  carry(server, client);
  EXPECT_EQ(*client.handshake(), TlsEngine::Progress::done);
  const auto sent = carry(client, server);
  EXPECT_EQ(*server.handshake(), TlsEngine::Progress::done);

  // Base64 takes four bytes for three; besides the certificates some 220 bytes are sent.
  EXPECT_LT(sent, (mine.certificate_pem.size() + authority_.pem().size()) * 3 / 4);
  Peer peer;
  server.describe_peer(peer);
  EXPECT_EQ(peer.certificate_common_name, "system:node:a");
}

TEST_F(TlsServerTest, BelievesNoCertificateOfAnotherAuthority) {
  const TestAuthority stranger("test-ca");
  const auto mine = stranger.issue("admin", {"system:masters"}, false);

  EXPECT_THAT(ask(mine), EndsWith("\r\n\r\ncn= refused"));
}

TEST_F(TlsServerTest, BelievesNoCertificateOutOfItsTime) {
  const auto mine = authority_.issue("admin", {"system:masters"}, false, -60);

  EXPECT_THAT(ask(mine), EndsWith("\r\n\r\ncn= refused"));
}

TEST_F(TlsServerTest, KnowsAUserWithoutGroups) {
  EXPECT_THAT(ask(authority_.issue("ann", {}, false)), EndsWith("\r\n\r\ncn=ann"));
}

TEST_F(TlsServerTest, BelievesNoServerCertificateOfAClient) {
  const auto mine = authority_.issue("admin", {"system:masters"}, true);

  EXPECT_THAT(ask(mine), EndsWith("\r\n\r\ncn= refused"));
}

TEST_F(TlsServerTest, ChoosesHttp11) {
  RawClient client(server().port(), authority_.pem(), {}, true);

  EXPECT_EQ(client.alpn(), "http/1.1");
}

TEST_F(TlsServerTest, ShowsAReloadedCertificateToNewConnections) {
  RawClient before(server().port(), authority_.pem(), {});
  const TestAuthority next("next-ca");
  const auto issued = next.issue("server", {}, true);

  ASSERT_TRUE(tls_->reload({issued.certificate_pem, issued.key_pem, next.pem()}).ok());

  RawClient after(server().port(), next.pem(), {});
  EXPECT_TRUE(after.is_connected());
  before.send(kGet);
  EXPECT_THAT(before.read_response(), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_FALSE(RawClient(server().port(), authority_.pem(), {}).is_connected());
}

TEST_F(TlsServerTest, KeepsTheOldCertificateWhenTheNewOneIsUnfit) {
  const auto other = authority_.issue("server", {}, true);
  const auto mine = authority_.issue("server", {}, true);

  EXPECT_FALSE(tls_->reload({mine.certificate_pem, other.key_pem, authority_.pem()}).ok());
  EXPECT_FALSE(tls_->reload({"no pem", mine.key_pem, authority_.pem()}).ok());
  EXPECT_FALSE(tls_->reload({mine.certificate_pem, mine.key_pem, "no pem"}).ok());

  EXPECT_THAT(ask({}), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(TlsServerTest, SurvivesPlainBytesOnATlsPort) {
  RawClient lost(server().port());
  lost.send(kGet);
  lost.read_to_end();

  EXPECT_THAT(ask({}), StartsWith("HTTP/1.1 200 OK"));
}

Task<void> send_large(Request request, Exchange& exchange) {
  const auto line = std::make_shared<const std::string>(std::string(2178, 'x') + "\n");
  Body body;
  body.owner = line;
  body.pieces.assign(std::stoul(request.parameter("lines").value_or("1")), *line);
  (void)co_await exchange.respond(200, {}, std::move(body));
}

TEST_F(TlsServerTest, SendsALargeListWhole) {
  RawClient client(server(send_large).port(), authority_.pem(), {});

  client.send("GET /?lines=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto response = client.read_response();

  const auto body = response.substr(response.find("\r\n\r\n") + 4);
  EXPECT_EQ(body.size(), 10'000U * 2179);
  EXPECT_THAT(body, EndsWith("x\n"));
}

TEST_F(TlsServerTest, TakesALargeBodyWhole) {
  RawClient client(server(echo).port(), authority_.pem(), {});
  const std::string body(2'000'000, 'y');

  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);

  EXPECT_THAT(client.read_response(), EndsWith(body));
}

}  // namespace
}  // namespace tetrarch::net::testing
