// SPDX-License-Identifier: Apache-2.0
// BodyBudget: the bytes of request bodies that all connections of a server hold at once. Bodies are
// held before anybody knows who sent them, so one address has a share of it only: who fills that is
// refused, and others are not. Any thread. Inside net only.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tetrarch::net {

inline constexpr std::string_view kTooManyBodies =
    "too many bodies are on their way at once; try again later";

class BodyBudget {
 public:
  BodyBudget(std::uint64_t bytes_max, std::uint64_t bytes_per_address_max)
      : bytes_max_(bytes_max), bytes_per_address_max_(bytes_per_address_max) {}

  /// What one connection holds; gives it back when it ends. One strand; the budget outlives it.
  class Held {
   public:
    /// `address`: as address_bytes() gives it.
    Held(BodyBudget& budget, std::string address);
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    /// So many bytes are held from now on. False: they may not be, and what was held still is.
    /// Fewer always may.
    bool set(std::uint64_t bytes);

   private:
    BodyBudget& budget_;
    const std::string address_;
    std::uint64_t bytes_ = 0;
  };

 private:
  bool take(const std::string& address, std::uint64_t bytes);
  void give_back(const std::string& address, std::uint64_t bytes);

  const std::uint64_t bytes_max_;
  const std::uint64_t bytes_per_address_max_;
  std::mutex mutex_;  // guards what follows
  std::uint64_t bytes_ = 0;
  std::unordered_map<std::string, std::uint64_t> by_address_;  // how many of them; none of 0
};

}  // namespace tetrarch::net
