// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/proxy_headers.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

std::string words(const net::Headers& headers) {
  std::string out;
  for (const auto& header : headers.list()) {
    out += header.name + "=" + header.value + ";";
  }
  return out;
}

struct NameRow {
  std::string_view name;
  std::string_view text;
  std::string_view parts;  ///< scheme|name|port; empty: refused
};

void PrintTo(const NameRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kNames = std::to_array<NameRow>({
    {"plain", "web", "|web|"},
    {"number", "web:80", "|web|80"},
    {"named", "web:http", "|web|http"},
    {"scheme", "https:web:443", "https|web|443"},
    {"scheme_without_port", "https:web:", "https|web|"},
    {"empty_scheme", ":web:80", "|web|80"},
    {"no_name", ":80", ""},
    {"unknown_scheme", "ftp:web:21", ""},
    {"too_many", "a:b:c:d", ""},
    {"nothing", "", ""},
});

class ProxyNameTest : public testing::TestWithParam<NameRow> {};

TEST_P(ProxyNameTest, HasUpToThreeParts) {
  const auto name = parse_proxy_name(GetParam().text);

  EXPECT_EQ(name ? name->scheme + "|" + name->name + "|" + name->port : "", GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(Table, ProxyNameTest, testing::ValuesIn(kNames), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(ForwardedHeaders, LeaveOutWhatWasForUs) {
  net::Request request;
  request.path = "/api/v1/namespaces/a/pods/p/proxy/x";
  request.peer.address = "[fd00::1]:4711";
  for (const auto& [name, value] : {std::pair{"Host", "server"},
                                    {"Authorization", "Bearer secret"},
                                    {"impersonate-user", "jane"},
                                    {"Impersonate-Extra-Scopes", "x"},
                                    {"Connection", "keep-alive, X-Hop"},
                                    {"Keep-Alive", "1"},
                                    {"X-Hop", "1"},
                                    {"TE", "trailers"},
                                    {"Transfer-Encoding", "chunked"},
                                    {"Content-Length", "4"},
                                    {"Expect", "100-continue"},
                                    {"Upgrade", "websocket"},
                                    {"X-Forwarded-For", "10.0.0.9"},
                                    {"X-Forwarded-Uri", "/lie"},
                                    {"Cookie", "a=b"},
                                    {"Accept", "text/html"}}) {
    request.headers.add(name, value);
  }

  EXPECT_EQ(words(forwarded_headers(request)),
            "Host=server;Cookie=a=b;Accept=text/html;X-Forwarded-For=10.0.0.9, fd00::1;"
            "X-Forwarded-Uri=/api/v1/namespaces/a/pods/p/proxy/x;Connection=close;");
}

TEST(ForwardedHeaders, KeepAnUpgrade) {
  net::Request request;
  request.path = "/p";
  request.peer.address = "10.0.0.1:80";
  request.headers.add("Connection", "keep-alive, Upgrade");
  request.headers.add("Upgrade", "websocket");
  request.headers.add("Sec-WebSocket-Key", "k");

  EXPECT_EQ(words(forwarded_headers(request)),
            "Host=;Sec-WebSocket-Key=k;X-Forwarded-For=10.0.0.1;X-Forwarded-Uri=/p;"
            "Connection=Upgrade;Upgrade=websocket;");
}

struct LocationRow {
  std::string_view name;
  std::string_view given;
  std::string_view forwarded;
};

void PrintTo(const LocationRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kLocations = std::to_array<LocationRow>({
    {"absolute_path", "/a/b?c=d#e", "/p/proxy/a/b?c=d#e"},
    {"root", "/", "/p/proxy/"},
    {"relative", "a/b", "a/b"},
    {"relative_with_colon", "?x=http://y", "?x=http://y"},
    {"another_host", "http://example.com/a", "http://example.com/a"},
    {"another_host_without_scheme", "//example.com/a", "//example.com/a"},
    {"the_backend", "http://10.42.0.2:8080/a/", "/p/proxy/a/"},
    {"the_host_asked_for", "http://server:6443/a", "http://server:6443/p/proxy/a"},
    {"already_ours", "/p/proxy/a", "/p/proxy/a"},
    {"host_alone", "http://10.42.0.2:8080", "http://10.42.0.2:8080"},
});

class LocationTest : public testing::TestWithParam<LocationRow> {};

TEST_P(LocationTest, LeadsThroughUs) {
  const Way way{"/p/proxy", "server:6443", "10.42.0.2:8080"};

  EXPECT_EQ(forwarded_location(GetParam().given, way), GetParam().forwarded);
}

INSTANTIATE_TEST_SUITE_P(Table, LocationTest, testing::ValuesIn(kLocations), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(ForwardedAnswer, LeavesOutWhatConcernsItsConnection) {
  net::Headers answer;
  for (const auto& [name, value] : {std::pair{"Connection", "close"},
                                    {"Transfer-Encoding", "chunked"},
                                    {"Content-Length", "3"},
                                    {"Date", "then"},
                                    {"access-control-allow-origin", "*"},
                                    {"Set-Cookie", "a=b"},
                                    {"Set-Cookie", "c=d"},
                                    {"location", "/x"}}) {
    answer.add(name, value);
  }

  EXPECT_EQ(words(forwarded_answer(answer, false, {"/p/proxy", "s", "b"})),
            "Content-Length=3;Set-Cookie=a=b;Set-Cookie=c=d;location=/p/proxy/x;");
  EXPECT_EQ(words(forwarded_answer(answer, false)),
            "Content-Length=3;Set-Cookie=a=b;Set-Cookie=c=d;location=/x;");
}

TEST(ForwardedAnswer, KeepsAnUpgrade) {
  net::Headers answer;
  answer.add("Connection", "Upgrade");
  answer.add("Upgrade", "websocket");
  answer.add("Sec-WebSocket-Accept", "k");

  EXPECT_EQ(words(forwarded_answer(answer, true)),
            "Sec-WebSocket-Accept=k;Connection=Upgrade;Upgrade=websocket;");
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
