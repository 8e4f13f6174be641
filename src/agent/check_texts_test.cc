// SPDX-License-Identifier: Apache-2.0
#include "agent/check_texts.h"

#include <boost/asio/error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/document.h"

namespace tetrarch::agent {
namespace {

namespace error = boost::asio::error;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string url(std::string_view handler, std::string_view host = "10.42.0.5") {
  const auto document = *Document::parse(handler);
  return url_of(document->root(), host, 8080);
}

TEST(CheckTexts, NamesSchemeAddressPortAndPath) {
  EXPECT_EQ(url(R"({"path":"/x"})"), "http://10.42.0.5:8080/x");
  EXPECT_EQ(url(R"({"path":"/x?a=b","scheme":"HTTPS"})"), "https://10.42.0.5:8080/x?a=b");
  EXPECT_EQ(url("{}"), "http://10.42.0.5:8080/");
  EXPECT_EQ(url(R"({"path":"x"})", "fd00::1"), "http://[fd00::1]:8080/x");
}

std::string request(std::string_view handler, std::string_view host = "10.42.0.5") {
  const auto document = *Document::parse(handler);
  return http_request(document->root(), host, 8080, "kube-probe/1.35");
}

TEST(CheckTexts, ARequestHasWhatTheHandlerLeavesOut) {
  EXPECT_EQ(request("{}"),
            "GET / HTTP/1.1\r\nHost: 10.42.0.5:8080\r\nUser-Agent: kube-probe/1.35\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(request("{}", "fd00::1"), HasSubstr("Host: [fd00::1]:8080\r\n"));
}

TEST(CheckTexts, APathGoesOutWithASlashInFront) {
  EXPECT_THAT(request(R"({"path":"healthz"})"), StartsWith("GET /healthz HTTP/1.1\r\n"));
  EXPECT_THAT(request(R"({"path":"/healthz"})"), StartsWith("GET /healthz HTTP/1.1\r\n"));
  EXPECT_THAT(request(R"({"path":"?a=b"})"), StartsWith("GET /?a=b HTTP/1.1\r\n"));
}

TEST(CheckTexts, HeadersOfTheHandlerReplaceOursInAnyCase) {
  EXPECT_EQ(request(R"({"path":"/x","httpHeaders":[{"name":"host","value":"shop.test"},
                        {"name":"user-agent","value":"me"},{"name":"ACCEPT","value":"text/plain"},
                        {"name":"X-Who","value":"me"},{"name":"x-who","value":"you"}]})"),
            "GET /x HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: me\r\nConnection: close\r\n"
            "ACCEPT: text/plain\r\nX-Who: me\r\nx-who: you\r\n\r\n");
}

TEST(CheckTexts, AnEmptyHeaderTakesOursAway) {
  EXPECT_EQ(request(R"({"httpHeaders":[{"name":"accept","value":""},{"name":"host","value":""},
                        {"name":"user-agent","value":""}]})"),
            "GET / HTTP/1.1\r\nHost: 10.42.0.5:8080\r\nConnection: close\r\n\r\n");
}

TEST(CheckTexts, ABodyIsNotAnnounced) {
  EXPECT_THAT(request(R"({"httpHeaders":[{"name":"content-length","value":"9"}]})"),
              Not(HasSubstr("ontent-")));
}

TEST(CheckTexts, SaysWhyANameHasNoAddress) {
  EXPECT_EQ(lookup_fault("shop.test", error::host_not_found),
            "dial tcp: lookup shop.test: no such host");
  const auto late = lookup_fault("shop.test", error::operation_aborted);
  EXPECT_EQ(late, "dial tcp: lookup shop.test: i/o timeout");
  EXPECT_EQ(get_fault("http://shop.test:80/", late),
            R"(Get "http://shop.test:80/": context deadline exceeded )"
            "(Client.Timeout exceeded while awaiting headers)");
}

TEST(CheckTexts, SaysWhyThereIsNoConnection) {
  EXPECT_EQ(dial_fault("10.42.0.5:8080", error::connection_refused),
            "dial tcp 10.42.0.5:8080: connect: connection refused");
  EXPECT_EQ(dial_fault("10.42.0.5:8080", error::host_unreachable),
            "dial tcp 10.42.0.5:8080: connect: no route to host");
  EXPECT_EQ(dial_fault("10.42.0.5:8080", error::operation_aborted),
            "dial tcp 10.42.0.5:8080: i/o timeout");
}

TEST(CheckTexts, SaysWhyThereIsNoAnswer) {
  EXPECT_EQ(answer_fault(error::eof), "EOF");
  EXPECT_EQ(answer_fault(error::connection_reset), "read: connection reset by peer");
  EXPECT_EQ(answer_fault(error::operation_aborted),
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
}

TEST(CheckTexts, ARequestNamesItsUrl) {
  const auto refused = dial_fault("10.42.0.5:8080", error::connection_refused);
  const auto late = dial_fault("10.42.0.5:8080", error::operation_aborted);

  EXPECT_EQ(
      get_fault("http://10.42.0.5:8080/x", refused),
      R"(Get "http://10.42.0.5:8080/x": dial tcp 10.42.0.5:8080: connect: connection refused)");
  EXPECT_EQ(get_fault("http://10.42.0.5:8080/x", late),
            R"(Get "http://10.42.0.5:8080/x": context deadline exceeded )"
            "(Client.Timeout exceeded while awaiting headers)");
}

TEST(CheckTexts, ACommandIsQuoted) {
  EXPECT_EQ(command_timeout({"sh", "-c", "sleep \"10\""}),
            R"(command "sh -c sleep \"10\"" timed out)");
}

}  // namespace
}  // namespace tetrarch::agent
