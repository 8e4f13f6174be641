// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <array>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <sys/random.h>

#include "base/check.h"

namespace tetrarch {
namespace {

class SystemRandom final : public Random {
 public:
  /// One getrandom call fills a block per thread: a uuid then costs no system call.
  std::uint64_t next() override {
    thread_local std::array<std::uint64_t, 64> block;
    thread_local std::size_t left = 0;
    if (left == 0) {
      CHECK(getrandom(block.data(), sizeof(block), 0) == static_cast<ssize_t>(sizeof(block)));
      left = block.size();
    }
    return block[--left];
  }
};

}  // namespace

Random& system_random() {
  static SystemRandom random;
  return random;
}

std::string make_uuid(Random& random) {
  const std::uint64_t high = (random.next() & 0xffffffffffff0fffULL) | 0x4000ULL;
  const std::uint64_t low = (random.next() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                     high >> 32,
                     (high >> 16) & 0xffff,
                     high & 0xffff,
                     low >> 48,
                     low & 0xffffffffffffULL);
}

std::string make_suffix(Random& random, std::size_t length) {
  // Source: Kubernetes apimachinery, pkg/util/rand: 27 characters that form no words.
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out(length, 'x');
  for (char& c : out) {
    c = kAlphabet[random.next() % kAlphabet.size()];
  }
  return out;
}

std::string make_bytes(Random& random, std::size_t length) {
  std::string out(length, '\0');
  for (std::size_t at = 0; at < length; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random.next();
    std::memcpy(out.data() + at, &word, std::min(sizeof(word), length - at));
  }
  return out;
}

}  // namespace tetrarch
