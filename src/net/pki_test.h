// SPDX-License-Identifier: Apache-2.0
// Throw-away certificates for tests of this room.
#pragma once

#include <string>
#include <vector>

namespace tetrarch::net::testing {

struct Issued {
  std::string certificate_pem;
  std::string key_pem;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  const std::string& pem() const { return pem_; }

  /// For 127.0.0.1 and localhost. Valid from an hour ago for that many seconds from now.
  Issued issue(const std::string& common_name,
               const std::vector<std::string>& organizations,
               bool is_server,
               long seconds_left = 3600) const;

 private:
  struct Impl;
  Impl* impl_;
  std::string pem_;
};

}  // namespace tetrarch::net::testing
