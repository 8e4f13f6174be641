// SPDX-License-Identifier: Apache-2.0
#include "store/backup.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "store/bytes.h"

namespace tetrarch::store {
namespace {

constexpr std::string_view kMagic = "tetrarch backup 1\n";
// A frame: type, sizes of key and value, digest of these and all before, key, value.
constexpr std::size_t kKeySizeAt = 1;
constexpr std::size_t kValueSizeAt = 5;
constexpr std::size_t kDigestAt = 9;
constexpr std::size_t kFrameHead = 17;
// Ours: far beyond what the API takes, so that damaged sizes are not waited for.
constexpr std::uint64_t kKeyMax = std::uint64_t{1} << 20;
constexpr std::uint64_t kValueMax = std::uint64_t{256} << 20;

constexpr std::string_view kTypes = "hpfe";  // in the order of BackupFrame::Type

std::uint64_t digest_frame(std::string_view head,
                           std::string_view key,
                           std::string_view value,
                           std::uint64_t before) {
  return digest(value, digest(key, digest(head.substr(0, kDigestAt), before)));
}

}  // namespace

std::string BackupEncoder::head(const BackupHead& head) {
  std::string out(kMagic);
  frame(out,
        BackupFrame::Type::head,
        fmt::format("{}", head.revision.number),
        format_micro_time(head.taken_at));
  return out;
}

void BackupEncoder::pair(std::string& out, std::string_view key, std::string_view value) {
  frame(out, BackupFrame::Type::pair, key, value);
}

std::string BackupEncoder::file(std::string_view name, std::string_view bytes) {
  std::string out;
  frame(out, BackupFrame::Type::file, name, bytes);
  return out;
}

std::string BackupEncoder::end() {
  std::string out;
  frame(out, BackupFrame::Type::end, "", fmt::format("{}", frames_));
  return out;
}

void BackupEncoder::frame(std::string& out,
                          BackupFrame::Type type,
                          std::string_view key,
                          std::string_view value) {
  std::string head(1, kTypes[static_cast<std::size_t>(type)]);
  put_little(head, key.size(), 4);
  put_little(head, value.size(), 4);
  digest_ = digest_frame(head, key, value, digest_);
  put_little(head, digest_, 8);
  out += head;
  out += key;
  out += value;
  ++frames_;
}

Status BackupDecoder::push(std::string_view bytes, const Visit& visit) {
  waiting_.erase(0, at_);
  offset_ += at_;
  at_ = 0;
  waiting_ += bytes;
  if (!is_begun_) {
    TRY_STATUS(take_magic());
  }
  while (is_begun_) {
    TRY(const bool has_more, take_frame(visit));
    if (!has_more) {
      break;
    }
  }
  return ok();
}

Status BackupDecoder::finish() const {
  if (!is_begun_) {
    return Error{Code::invalid, "this is no backup of a tetrarch store"};
  }
  return is_ended_ ? ok() : Status(damaged("it was cut: its end is missing"));
}

Status BackupDecoder::take_magic() {
  const auto begin = std::string_view(waiting_).substr(0, kMagic.size());
  if (begin != kMagic.substr(0, begin.size())) {
    return Error{Code::invalid, "this is no backup of a tetrarch store"};
  }
  if (begin.size() == kMagic.size()) {
    is_begun_ = true;
    at_ = kMagic.size();
  }
  return ok();
}

/// False: there is no whole frame yet.
Result<bool> BackupDecoder::take_frame(const Visit& visit) {
  const std::string_view rest = std::string_view(waiting_).substr(at_);
  if (rest.empty()) {
    return false;
  }
  if (is_ended_) {
    return damaged("something follows its end");
  }
  if (rest.size() < kFrameHead) {
    return false;
  }
  const std::size_t type = kTypes.find(rest[0]);
  const std::uint64_t key_size = get_little(rest, kKeySizeAt, 4);
  const std::uint64_t value_size = get_little(rest, kValueSizeAt, 4);
  if (type == std::string_view::npos || key_size > kKeyMax || value_size > kValueMax) {
    return damaged("a frame begins with what is none");
  }
  const std::size_t size = kFrameHead + key_size + value_size;
  if (rest.size() < size) {
    return false;
  }
  const BackupFrame frame{.type = static_cast<BackupFrame::Type>(type),
                          .key = rest.substr(kFrameHead, key_size),
                          .value = rest.substr(kFrameHead + key_size, value_size)};
  digest_ = digest_frame(rest, frame.key, frame.value, digest_);
  if (digest_ != get_little(rest, kDigestAt, 8)) {
    return damaged("what is there is not what was written");
  }
  TRY_STATUS(frame.type == BackupFrame::Type::head  ? take_head(frame)
             : frame.type == BackupFrame::Type::end ? check_end(frame)
                                                    : ok());
  if (!head_) {
    return damaged("it does not begin with its head");
  }
  TRY_STATUS(visit(frame));
  is_ended_ = frame.type == BackupFrame::Type::end;
  ++frames_;
  at_ += size;
  return true;
}

Status BackupDecoder::take_head(const BackupFrame& frame) {
  BackupHead head;
  const char* const end = frame.key.data() + frame.key.size();
  const auto number = std::from_chars(frame.key.data(), end, head.revision.number);
  const auto time = parse_time(frame.value);
  if (head_ || number.ptr != end || number.ec != std::errc() || !time.ok()) {
    return damaged("its head cannot be read");
  }
  head.taken_at = *time;
  head_ = head;
  return ok();
}

Status BackupDecoder::check_end(const BackupFrame& frame) const {
  return frame.value == fmt::format("{}", frames_)
             ? ok()
             : Status(damaged("it has not as many frames as were written"));
}

Error BackupDecoder::damaged(std::string_view what) const {
  return {Code::internal, fmt::format("the backup is damaged at byte {}: {}", offset_ + at_, what)};
}

}  // namespace tetrarch::store
