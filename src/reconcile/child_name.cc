// SPDX-License-Identifier: Apache-2.0
#include "reconcile/child_name.h"

namespace tetrarch::reconcile {

namespace {

// Source: Kubernetes apimachinery, util/rand: no vowels and no look-alikes.
constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
constexpr std::size_t kNameMost = 63;
constexpr std::size_t kSuffix = 5;

/// FNV-1a, 64 bits, then mixed (splitmix64) so that seeds which differ in one digit share no
/// characters.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 14'695'981'039'346'656'037ULL;
  for (const char c : text) {
    h ^= static_cast<unsigned char>(c);
    h *= 1'099'511'628'211ULL;
  }
  h ^= h >> 30;
  h *= 0xbf58476d1ce4e5b9ULL;
  h ^= h >> 27;
  h *= 0x94d049bb133111ebULL;
  return h ^ (h >> 31);
}

}  // namespace

std::string name_suffix(std::string_view seed, std::size_t length) {
  std::string out;
  for (auto h = hash(seed); out.size() < length; h /= kAlphabet.size()) {
    out.push_back(kAlphabet[h % kAlphabet.size()]);
  }
  return out;
}

std::string child_name(std::string_view prefix, std::string_view seed) {
  std::string out(prefix.substr(0, kNameMost - kSuffix - 1));
  out.push_back('-');
  out += name_suffix(seed, kSuffix);
  return out;
}

}  // namespace tetrarch::reconcile
