// SPDX-License-Identifier: Apache-2.0
#include "store/record.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "store/bytes.h"

namespace tetrarch::store {
namespace {

constexpr char kPlain = 0;
constexpr char kSealed = 1;

// Offsets in an object's value.
constexpr std::size_t kDigestAt = 1;
constexpr std::size_t kRevisionAt = 9;
constexpr std::size_t kTagSizeAt = 17;
constexpr std::size_t kTagAt = 19;

/// RocksDB has checksums of its own; this one names the object and covers what lies between the
/// two.
std::uint64_t digest_value(std::string_view key,
                           char flags,
                           std::string_view head,
                           std::string_view body) {
  const auto seed = static_cast<std::uint64_t>(static_cast<unsigned char>(flags));
  return digest(body, digest(head, digest(key, seed)));
}

/// What the sealed text is bound to: it opens only as this object at this revision.
std::string bound_to(std::string_view key, Revision revision) {
  std::string bound(key);
  bound += '\0';
  put_little(bound, revision.number, 8);
  return bound;
}

Error damaged(std::string_view what) {
  return {Code::internal, fmt::format("the stored form of {} is damaged", what)};
}

}  // namespace

std::string object_key(const Key& key) {
  std::string text;
  text.reserve(kObjectPrefix.size() + key.resource.size() + key.ns.size() + key.name.size() + 2);
  text += kObjectPrefix;
  text += key.resource;
  text += '\0';
  text += key.ns;
  text += '\0';
  text += key.name;
  return text;
}

std::optional<Key> parse_key(std::string_view text) {
  if (!text.starts_with(kObjectPrefix)) {
    return std::nullopt;
  }
  text.remove_prefix(kObjectPrefix.size());
  const std::size_t first = text.find('\0');
  const std::size_t second = first == text.npos ? text.npos : text.find('\0', first + 1);
  if (second == text.npos) {
    return std::nullopt;
  }
  return Key{.resource = std::string(text.substr(0, first)),
             .ns = std::string(text.substr(first + 1, second - first - 1)),
             .name = std::string(text.substr(second + 1))};
}

std::string describe(const Key& key) {
  return key.ns.empty() ? fmt::format("{} {}", key.resource, key.name)
                        : fmt::format("{} {}/{}", key.resource, key.ns, key.name);
}

Result<Journal::Write> encode_object(const Key& key,
                                     std::string_view tag,
                                     Revision revision,
                                     const Document& document,
                                     const Sealing& sealing) {
  Journal::Write write{.key = object_key(key), .head = {}, .body = document.bytes()};
  std::string sealed;
  const bool is_sealed = sealing.seal && sealing.resources.contains(key.resource);
  if (is_sealed) {
    TRY(sealed, sealing.seal(document.bytes(), bound_to(write.key, revision)));
    write.body = sealed;
  }
  std::string rest;
  put_little(rest, revision.number, 8);
  put_little(rest, tag.size(), 2);
  rest += tag;
  const char flags = is_sealed ? kSealed : kPlain;
  write.head += flags;
  put_little(write.head, digest_value(write.key, flags, rest, write.body), 8);
  write.head += rest;
  if (is_sealed) {
    write.head += sealed;
    write.body = {};
  }
  return write;
}

Result<Record> decode_object(std::string_view key, std::string_view value, const Sealing& sealing) {
  const std::optional<Key> parsed = parse_key(key);
  if (!parsed) {
    return damaged(fmt::format("an object, whose key is 0x{:02x},", fmt::join(key, "")));
  }
  if (value.size() < kTagAt || (value[0] != kPlain && value[0] != kSealed)) {
    return damaged(describe(*parsed));
  }
  const std::size_t tag_size = get_little(value, kTagSizeAt, 2);
  if (value.size() < kTagAt + tag_size) {
    return damaged(describe(*parsed));
  }
  const std::string_view head = value.substr(kRevisionAt, kTagAt + tag_size - kRevisionAt);
  const std::string_view body = value.substr(kTagAt + tag_size);
  if (get_little(value, kDigestAt, 8) != digest_value(key, value[0], head, body)) {
    return damaged(describe(*parsed));
  }
  Record record{.key = *parsed,
                .tag = std::string(value.substr(kTagAt, tag_size)),
                .revision = Revision{get_little(value, kRevisionAt, 8)},
                .bytes = {}};
  if (value[0] == kPlain) {
    record.bytes = body;
    return record;
  }
  if (!sealing.open) {
    return Error{
        Code::internal,
        fmt::format("{} is encrypted and there is no key to open it", describe(record.key))};
  }
  auto opened = sealing.open(body, bound_to(key, record.revision));
  if (!opened.ok()) {
    return Error{Code::internal,
                 fmt::format("{} cannot be decrypted (is it the right key?): {}",
                             describe(record.key),
                             opened.error().message)};
  }
  record.bytes = std::move(opened).value();
  return record;
}

Journal::Write encode_number(std::string_view key, std::uint64_t number) {
  return {.key = std::string(key), .head = fmt::format("{}", number), .body = {}};
}

Result<std::uint64_t> decode_number(std::string_view key, std::string_view value) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    return damaged(key);
  }
  return number;
}

}  // namespace tetrarch::store
