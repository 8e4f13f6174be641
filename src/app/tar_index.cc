// SPDX-License-Identifier: Apache-2.0
// Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual,
// "Basic Tar Format".
#include "app/tar_index.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <unistd.h>

#include <fmt/format.h>

namespace tetrarch::app {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kNameMax = 64 * 1024;
constexpr int kLinksMax = 16;

std::string_view field(std::string_view block, std::size_t at, std::size_t size) {
  const auto whole = block.substr(at, size);
  return whole.substr(0, whole.find('\0'));
}

/// Octal, or (GNU) a first byte of 0x80 and 8 bytes big-endian at the end.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  if (!text.empty() && (static_cast<unsigned char>(text[0]) & 0x80U) != 0) {
    for (const char c : text.substr(text.size() - 8)) {
      out = out << 8U | static_cast<unsigned char>(c);
    }
    return out;
  }
  text = text.substr(0, text.find('\0'));
  while (text.starts_with(' ')) {
    text.remove_prefix(1);
  }
  while (text.ends_with(' ')) {
    text.remove_suffix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 8);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  return is_number || text.empty() ? std::optional(out) : std::nullopt;
}

bool has_right_sum(std::string_view block) {
  constexpr std::size_t kSumAt = 148;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    sum += i >= kSumAt && i < kSumAt + 8 ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return number(block.substr(kSumAt, 8)) == sum;
}

/// The value of a record "<length> <key>=<value>\n".
std::optional<std::string> pax_value(std::string_view records, std::string_view key) {
  std::optional<std::string> out;
  while (!records.empty()) {
    std::size_t length = 0;
    const auto space = records.find(' ');
    if (space == std::string_view::npos) {
      return out;
    }
    std::from_chars(records.data(), records.data() + space, length);
    if (length <= space + 1 || length > records.size()) {
      return out;
    }
    const auto record = records.substr(space + 1, length - space - 2);
    const auto equals = record.find('=');
    if (record.substr(0, equals) == key && equals != std::string_view::npos) {
      out = std::string(record.substr(equals + 1));
    }
    records.remove_prefix(length);
  }
  return out;
}

std::string plain(std::string_view name) {
  auto out = std::filesystem::path(name).lexically_normal().string();
  while (out.ends_with('/')) {
    out.pop_back();
  }
  return out;
}

}  // namespace

struct TarIndex::Header {
  std::string name;
  std::string link;
  std::uint64_t size = 0;
  char type = '0';
};

TarIndex::~TarIndex() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

TarIndex::TarIndex(TarIndex&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      files_(std::move(other.files_)),
      links_(std::move(other.links_)) {}

Result<TarIndex> TarIndex::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Error{Code::not_found, fmt::format("{}: {}", path, strerror(errno))};
  }
  TarIndex out(fd);
  if (const auto loaded = out.load(); !loaded.ok()) {
    return Error{loaded.error().code, fmt::format("{}: {}", path, loaded.error().message)};
  }
  return out;
}

Result<std::string> TarIndex::read_at(std::uint64_t offset, std::size_t size) const {
  std::string out(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto count =
        ::pread(fd_, out.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0) {
      return Error{Code::unavailable, strerror(errno)};
    }
    if (count == 0) {
      return Error{Code::invalid, "the archive breaks off"};
    }
    done += static_cast<std::size_t>(count);
  }
  return out;
}

Status TarIndex::load() {
  Header next;  // what long names say of the entry behind them
  std::optional<std::uint64_t> next_size;
  for (std::uint64_t at = 0;;) {
    TRY(const auto block, read_at(at, kBlock));
    if (block.find_first_not_of('\0') == std::string::npos) {
      return ok();
    }
    auto size = number(std::string_view(block).substr(124, 12));
    if (!has_right_sum(block) || !size) {
      return Error{Code::invalid,
                   "it is no tar archive (compressed ones have to be unpacked first)"};
    }
    Header header;
    header.type = block[156];
    const bool is_name = header.type == 'L' || header.type == 'K' || header.type == 'x';
    if (is_name && *size > kNameMax) {
      return Error{Code::invalid, "a name in it is too long"};
    }
    const auto data = at + kBlock;
    if (is_name) {
      TRY(const auto text, read_at(data, static_cast<std::size_t>(*size)));
      next.name = header.type == 'L' ? text.c_str() : pax_value(text, "path").value_or(next.name);
      next.link =
          header.type == 'K' ? text.c_str() : pax_value(text, "linkpath").value_or(next.link);
      const auto given = header.type == 'x' ? pax_value(text, "size") : std::nullopt;
      if (std::uint64_t value = 0;
          given &&
          std::from_chars(given->data(), given->data() + given->size(), value).ec == std::errc{}) {
        next_size = value;
      }
    } else {
      const auto prefix = block.compare(257, 6, std::string("ustar\0", 6)) == 0
                              ? field(block, 345, 155)
                              : std::string_view();
      const auto name = field(block, 0, 100);
      header.name = !next.name.empty() ? next.name
                    : prefix.empty()   ? std::string(name)
                                       : fmt::format("{}/{}", prefix, name);
      header.link = next.link.empty() ? std::string(field(block, 157, 100)) : next.link;
      size = next_size.value_or(*size);
      header.size = *size;
      add(header, data);
      next = {};
      next_size.reset();
    }
    at = data + (*size + kBlock - 1) / kBlock * kBlock;
  }
}

void TarIndex::add(const Header& header, std::uint64_t offset) {
  const auto name = plain(header.name);
  if (header.type == '0' || header.type == '\0') {
    files_[name] = {offset, header.size};
  } else if (header.type == '1') {
    links_[name] = plain(header.link);
  } else if (header.type == '2') {
    links_[name] = plain((std::filesystem::path(name).parent_path() / header.link).string());
  }
}

const TarIndex::Entry* TarIndex::find(std::string_view name) const {
  auto wanted = plain(name);
  for (int links = 0; links < kLinksMax; ++links) {
    if (const auto at = files_.find(wanted); at != files_.end()) {
      return &at->second;
    }
    const auto link = links_.find(wanted);
    if (link == links_.end()) {
      return nullptr;
    }
    wanted = link->second;
  }
  return nullptr;
}

Result<std::string> TarIndex::read(const Entry& entry, std::uint64_t size_max) const {
  if (entry.size > size_max) {
    return Error{Code::invalid, fmt::format("a file of more than {} bytes", size_max)};
  }
  return read_at(entry.offset, static_cast<std::size_t>(entry.size));
}

Status TarIndex::read_pieces(const Entry& entry,
                             std::size_t piece_max,
                             const std::function<Status(std::string piece)>& take) const {
  for (std::uint64_t done = 0; done < entry.size;) {
    const auto size = std::min<std::uint64_t>(piece_max, entry.size - done);
    TRY(auto piece, read_at(entry.offset + done, static_cast<std::size_t>(size)));
    TRY_STATUS(take(std::move(piece)));
    done += size;
  }
  return ok();
}

}  // namespace tetrarch::app
