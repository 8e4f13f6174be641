// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/first_attach.h"

#include <gtest/gtest.h>

#include "agent/runtime/log_chunks.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::seconds;

std::vector<Session::Chunk> chunks(const std::vector<std::string>& texts) {
  std::vector<Session::Chunk> out;
  for (const auto& text : texts) {
    Session::Chunk chunk;
    chunk.is_error_stream = text[0] == '2';
    chunk.bytes = text.substr(2);
    out.push_back(std::move(chunk));
  }
  return out;
}

std::string told(const std::deque<Session::Chunk>& chunks) {
  std::string out;
  for (const auto& chunk : chunks) {
    out += (chunk.is_error_stream ? "2:" : "1:") + chunk.bytes + "|";
  }
  return out;
}

TEST(FirstAttach, BeginsAtTheStartOnceAndSoonAfterIt) {
  FirstAttach first;
  Container container;
  container.id = "c1";
  const TimePoint start{std::chrono::hours(1)};

  EXPECT_FALSE(first.is_at_start(container, start)) << "not started";
  container.started = start;
  EXPECT_TRUE(first.is_at_start(container, start + seconds(9)));
  EXPECT_FALSE(first.is_at_start(container, start + seconds(9))) << "the second";
  container.id = "c2";
  EXPECT_TRUE(first.is_at_start(container, start + seconds(10)));
  container.id = "c3";
  EXPECT_FALSE(first.is_at_start(container, start + seconds(11))) << "late";
}

TEST(Overlap, IsTheLongestEndThatBeginsTheOther) {
  struct Case {
    std::string_view earlier;
    std::string_view later;
    std::size_t length;
  };

  for (const auto& [earlier, later, length] : std::initializer_list<Case>{
           {"", "", 0},
           {"one\n", "", 0},
           {"", "one\n", 0},
           {"one\ntwo\n", "two\nthree\n", 4},
           {"one\ntwo\n", "o\nthree\n", 2},
           {"one\n", "two\n", 0},
           {"two\n", "one\ntwo\n", 0},
           {"aabaab", "aabaabaab", 6},
           {"xaab", "aab", 3},
           {"aaaa", "aa", 2},
           {"abab", "babb", 3},
       }) {
    EXPECT_EQ(overlap(earlier, later), length) << earlier << "|" << later;
  }
}

TEST(Joined, TellsEachByteOnceOnItsStream) {
  EXPECT_EQ(
      told(joined(chunks({"1:a\n", "2:x\n", "1:b\n"}), chunks({"1:b", "1:\nc", "2:x\ny", "1:d"}))),
      "1:a\n|2:x\n|1:b\n|1:c|2:y|1:d|");
  EXPECT_EQ(told(joined({}, chunks({"1:$ "}))), "1:$ |");
  EXPECT_EQ(told(joined(chunks({"1:a\n"}), {})), "1:a\n|");
}

TEST(LogChunks, AreWholeLinesOfTheirStreams) {
  for (const bool has_tty : {false, true}) {
    LogChunks lines(has_tty);
    std::deque<Session::Chunk> out;
    for (const auto* piece :
         {"t stdout F a\nt std", "err P b\nt stderr F \ntorn\nt stdout F c", "\n"}) {
      lines.feed(piece);
      while (auto chunk = lines.take()) {
        out.push_back(std::move(*chunk));
      }
    }
    EXPECT_EQ(told(out), has_tty ? "1:a\n|1:b|1:\n|1:c\n|" : "1:a\n|2:b|2:\n|1:c\n|");
  }
}

}  // namespace
}  // namespace tetrarch::agent::runtime
