// SPDX-License-Identifier: Apache-2.0
// Numbers as bytes, and the digest by which the store finds damage in what it wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tetrarch::store {

void put_little(std::string& out, std::uint64_t number, std::size_t bytes);
/// `in` has them.
std::uint64_t get_little(std::string_view in, std::size_t at, std::size_t bytes);

/// Finds damage, not malice: every step is a bijection, so that no single changed byte goes
/// unnoticed.
std::uint64_t digest(std::string_view bytes, std::uint64_t seed);

}  // namespace tetrarch::store
