// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/first_attach.h"

#include <algorithm>
#include <iterator>

#include "agent/runtime/log_chunks.h"

namespace tetrarch::agent::runtime {
namespace {

using Chunk = Session::Chunk;

// Ours: a client needs a moment to hear of a start; who comes later wants what is new.
constexpr std::chrono::seconds kAtStart(10);
constexpr std::size_t kPrintedMax = std::size_t{4} << 20U;

std::string text_of(const std::vector<Chunk>& chunks, bool is_error_stream) {
  std::string out;
  for (const auto& chunk : chunks) {
    out += chunk.is_error_stream == is_error_stream ? chunk.bytes : "";
  }
  return out;
}

}  // namespace

bool FirstAttach::is_at_start(const Container& container, TimePoint now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(seen_, [&](const auto& one) { return now - one.second > kAtStart; });
  const bool is_known =
      std::any_of(seen_.begin(), seen_.end(), [&](auto& one) { return one.first == container.id; });
  if (is_known || !container.started || now - *container.started > kAtStart) {
    return false;
  }
  seen_.emplace_back(container.id, *container.started);
  return true;
}

Task<Result<std::vector<Chunk>>> printed_so_far(LogFollower& log, bool has_tty) {
  LogChunks lines(has_tty);
  std::deque<Chunk> kept;
  std::size_t size = 0;
  while (true) {
    CO_TRY(const std::string more, co_await log.read());
    if (more.empty()) {
      break;
    }
    lines.feed(more);
    while (auto chunk = lines.take()) {
      size += chunk->bytes.size();
      kept.push_back(std::move(*chunk));
    }
    for (; size > kPrintedMax; kept.pop_front()) {
      size -= kept.front().bytes.size();
    }
  }
  co_return std::vector<Chunk>(std::make_move_iterator(kept.begin()),
                               std::make_move_iterator(kept.end()));
}

std::size_t overlap(std::string_view earlier, std::string_view later) {
  earlier.remove_prefix(earlier.size() - std::min(earlier.size(), later.size()));
  // Knuth, Morris and Pratt: borders[i] is the length of the longest beginning of `later`, shorter
  // than i, with which its first i bytes end.
  std::vector<std::size_t> borders(later.size() + 1, 0);
  const auto extend = [&](std::size_t length, char next) {
    while (length > 0 && (length == later.size() || later[length] != next)) {
      length = borders[length];
    }
    return length + (length < later.size() && later[length] == next ? 1 : 0);
  };
  for (std::size_t i = 1; i < later.size(); ++i) {
    borders[i + 1] = extend(borders[i], later[i]);
  }
  std::size_t length = 0;
  for (const char next : earlier) {
    length = extend(length, next);
  }
  return length;
}

std::deque<Chunk> joined(std::vector<Chunk> printed, std::vector<Chunk> live) {
  std::size_t told[2];
  for (const bool is_error : {false, true}) {
    told[is_error ? 1 : 0] = overlap(text_of(printed, is_error), text_of(live, is_error));
  }
  std::deque<Chunk> out(std::make_move_iterator(printed.begin()),
                        std::make_move_iterator(printed.end()));
  for (auto& chunk : live) {
    auto& left = told[chunk.is_error_stream ? 1 : 0];
    const auto cut = std::min(left, chunk.bytes.size());
    left -= cut;
    chunk.bytes.erase(0, cut);
    if (!chunk.bytes.empty()) {
      out.push_back(std::move(chunk));
    }
  }
  return out;
}

}  // namespace tetrarch::agent::runtime
