// SPDX-License-Identifier: Apache-2.0
#include "agent/check_texts.h"

#include <boost/asio/error.hpp>
#include <gtest/gtest.h>

#include "object/document.h"

namespace tetrarch::agent {
namespace {

namespace error = boost::asio::error;

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
