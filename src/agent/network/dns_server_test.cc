// SPDX-License-Identifier: Apache-2.0
// The server over real sockets on loopback, asked in wire form; and its messages against broken
// input.
#include "agent/network/dns_server.h"

#include <array>
#include <future>
#include <random>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "agent/network/dns_message.h"
#include "async/io_pool.h"
#include "async/task_group.h"

namespace tetrarch::agent::network {
namespace {

/// A question for `name` (labels with dots, no last dot), type A by default.
std::string query_for(std::string_view name, std::uint8_t type = 1) {
  std::string wire("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    wire += static_cast<char>(label.size());
    wire += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  wire += std::string("\0\0", 2) + static_cast<char>(type) + std::string("\0\x01", 2);
  return wire;
}

int code_of(const std::string& reply) {
  return reply[3] & 15;
}

std::string ask(std::uint16_t port, const std::string& query) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sendto(fd, query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
  std::array<char, 4096> buffer;
  const auto size = recv(fd, buffer.data(), buffer.size(), 0);
  close(fd);
  return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : "";
}

Task<void> stop_server(DnsServer& server, std::promise<void>& done) {
  co_await server.stop();
  done.set_value();
}

/// Another server that never answers, for what must not be asked of it.
class SilentUpstream {
 public:
  SilentUpstream() : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

  ~SilentUpstream() { close(fd_); }

  const std::string& address() const { return address_; }

  bool was_asked() const {
    char byte = 0;
    return recv(fd_, &byte, 1, MSG_DONTWAIT) >= 0;
  }

 private:
  int fd_;
  std::string address_;
};

class DnsServerTest : public testing::Test {
 protected:
  DnsServerTest() {
    table_.apply(
        {{{"services", "default", "web"},
          *Document::parse(R"({"spec":{"clusterIP":"10.43.0.20","ports":[{"port":80}]}})")}},
        true);
  }

  void stop(DnsServer& server) {
    async::TaskGroup group(pool_.strand(), "test");
    std::promise<void> done;
    group.spawn(stop_server(server, done));
    done.get_future().wait();
    group.stop_and_wait();
  }

  async::IoPool pool_{1};
  ServiceTable table_{"n1"};
  DnsZone zone_{{"cluster.local",
                 *Ipv4Range::parse("10.42.0.0/16"),
                 *Ipv4Range::parse("10.43.0.0/16"),
                 "127.0.0.1"},
                table_};
};

TEST_F(DnsServerTest, AnswersClusterNamesAndForwardsTheRest) {
  DnsServer upstream({"127.0.0.1", 0, {}}, zone_, system_random());
  ASSERT_TRUE(upstream.start(pool_.strand()).ok());
  ServiceTable empty("n1");
  const DnsZone other({"elsewhere", {}, {}, ""}, empty);
  DnsServer server(
      {"127.0.0.1", 0, {"127.0.0.1:" + std::to_string(upstream.port())}}, other, system_random());
  ASSERT_TRUE(server.start(pool_.strand()).ok());

  const auto direct = ask(upstream.port(), query_for("web.default.svc.cluster.local"));
  const auto forwarded = ask(server.port(), query_for("web.default.svc.cluster.local"));
  const auto unknown = ask(upstream.port(), query_for("x.default.svc.cluster.local"));

  ASSERT_GT(direct.size(), 12U);
  EXPECT_EQ(direct.substr(0, 2), "\x12\x34");
  EXPECT_EQ(direct.substr(direct.size() - 4), std::string("\x0a\x2b\x00\x14", 4));
  EXPECT_EQ(forwarded, direct);
  EXPECT_EQ(code_of(unknown), 3);
  stop(server);
  stop(upstream);
}

TEST_F(DnsServerTest, FollowsAnAliasOfANameOfOthers) {
  DnsServer upstream({"127.0.0.1", 0, {}}, zone_, system_random());
  ASSERT_TRUE(upstream.start(pool_.strand()).ok());
  ServiceTable aliases("n1");
  aliases.apply({{{"services", "default", "near"}, *Document::parse(R"({"spec":{
                  "type":"ExternalName","externalName":"web.default.svc.cluster.local"}})")},
                 {{"services", "default", "lost"}, *Document::parse(R"({"spec":{
                  "type":"ExternalName","externalName":"none.default.svc.cluster.local"}})")}},
                true);
  const DnsZone other({"elsewhere", {}, {}, ""}, aliases);
  DnsServer server(
      {"127.0.0.1", 0, {"127.0.0.1:" + std::to_string(upstream.port())}}, other, system_random());
  ASSERT_TRUE(server.start(pool_.strand()).ok());

  const auto found = ask(server.port(), query_for("near.default.svc.elsewhere"));
  const auto alone = ask(server.port(), query_for("lost.default.svc.elsewhere"));

  ASSERT_GT(found.size(), 12U);
  EXPECT_EQ(found.substr(0, 2), "\x12\x34");
  EXPECT_EQ(found[7], 2) << "the alias and the address";
  EXPECT_EQ(found.substr(found.size() - 4), std::string("\x0a\x2b\x00\x14", 4));
  EXPECT_EQ(code_of(alone), 0);
  EXPECT_EQ(alone[7], 1) << "the alias";
  stop(server);
  stop(upstream);
}

TEST_F(DnsServerTest, AsksNobodyForAnAliasThatDnsCannotCarry) {
  const SilentUpstream upstream;
  const auto alias = R"({"spec":{"type":"ExternalName","externalName":")" + std::string(64, 'a') +
                     R"(.example.com"}})";
  table_.apply({{{"services", "default", "far"}, *Document::parse(alias)}}, true);
  DnsServer server({"127.0.0.1", 0, {upstream.address()}}, zone_, system_random());
  ASSERT_TRUE(server.start(pool_.strand()).ok());

  const auto reply = ask(server.port(), query_for("far.default.svc.cluster.local"));

  ASSERT_GT(reply.size(), 12U);
  EXPECT_EQ(code_of(reply), 0);
  EXPECT_EQ(reply[7], 0) << "no record";
  EXPECT_FALSE(upstream.was_asked());
  stop(server);
}

TEST_F(DnsServerTest, DropsWhatCannotBeReadAndPassesNoneOfItOn) {
  const SilentUpstream upstream;
  DnsServer server({"127.0.0.1", 0, {upstream.address()}}, zone_, system_random());
  ASSERT_TRUE(server.start(pool_.strand()).ok());
  auto broken = query_for("example.com");
  broken[12] = static_cast<char>(0xC0);  // a name that points at itself
  broken[13] = 12;

  const auto fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.port());
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sendto(fd, broken.data(), broken.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
  const auto next = ask(server.port(), query_for("web.default.svc.cluster.local"));

  EXPECT_GT(next.size(), 12U);
  std::array<char, 16> buffer;
  EXPECT_LT(recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT), 0);
  EXPECT_FALSE(upstream.was_asked());
  close(fd);
  stop(server);
}

TEST_F(DnsServerTest, FailsWhereNobodyElseCanBeAsked) {
  DnsServer server({"127.0.0.1", 0, {}}, zone_, system_random());
  ASSERT_TRUE(server.start(pool_.strand()).ok());

  EXPECT_EQ(code_of(ask(server.port(), query_for("example.org"))), 2);
  stop(server);
}

TEST(DnsMessage, KeepsWhatFitsOfAnAnswerThatIsTooLargeForUdpAndSaysSo) {
  Answer answer;
  answer.exists = true;
  for (int i = 0; i < 100; ++i) {
    answer.records.push_back({"a.cluster.local", RecordType::a, "10.42.0." + std::to_string(i)});
  }

  const auto cut = write_answer(query_for("a.cluster.local"), answer, "cluster.local", 512);
  const auto whole = write_answer(query_for("a.cluster.local"), answer, "cluster.local", 0);

  // Before the records: 12 bytes of header and 21 of question. A record whose name is there already
  // takes 16.
  EXPECT_EQ(cut.size(), 33U + 29 * 16);
  EXPECT_EQ(cut[7], 29);
  EXPECT_EQ(cut.substr(cut.size() - 4), std::string("\x0a\x2a\x00\x1c", 4)) << "the 29th, whole";
  EXPECT_NE(cut[2] & 2, 0);
  EXPECT_GT(whole.size(), 1600U);
  EXPECT_EQ(whole[2] & 2, 0);
}

TEST(DnsMessage, LeavesOutAdditionalRecordsFirst) {
  Answer answer;
  answer.exists = true;
  for (int i = 0; i < 10; ++i) {
    const auto target = "db-" + std::to_string(i) + ".db.default.svc.cluster.local";
    answer.records.push_back({"a.cluster.local", RecordType::srv, "0 100 80 " + target + "."});
    answer.additional.push_back({target, RecordType::a, "10.42.0." + std::to_string(i)});
  }
  const auto query = query_for("a.cluster.local", 33);
  const auto whole = write_answer(query, answer, "cluster.local", 0);

  const auto cut = write_answer(query, answer, "cluster.local", whole.size() - 1);

  EXPECT_EQ(cut[7], 10);
  EXPECT_EQ(cut[11], 9);
  EXPECT_NE(cut[2] & 2, 0);
}

TEST(DnsMessage, AnswersWithoutRecordsWhereNoneFits) {
  Answer answer{true, {{"a.cluster.local", RecordType::a, "10.42.0.1"}}, {}};

  const auto cut = write_answer(query_for("a.cluster.local"), answer, "cluster.local", 40);

  EXPECT_EQ(cut.size(), 33U);
  EXPECT_NE(cut[2] & 2, 0);
}

TEST(DnsMessage, SurvivesBrokenInput) {
  std::mt19937 random(1);
  const auto good = query_for("web.default.svc.cluster.local");
  for (int i = 0; i < 20000; ++i) {
    auto wire = good.substr(0, random() % (good.size() + 1));
    for (int flips = 0; flips < 3 && !wire.empty(); ++flips) {
      wire[random() % wire.size()] = static_cast<char>(random());
    }
    const auto query = read_query(wire);
    if (query.ok()) {
      write_answer(wire, {}, "cluster.local", 512);
    }
    write_failure(wire);
  }
}

}  // namespace
}  // namespace tetrarch::agent::network
