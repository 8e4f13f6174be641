// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/log_file.h"

#include <fstream>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "base/random.h"

namespace tetrarch::agent::runtime {
namespace {

namespace fs = std::filesystem;

TEST(ParseLogLine, ReadsTimeStreamTagAndText) {
  const auto line = parse_log_line("2026-11-23T06:13:56.123456789Z stderr F hello  world ");

  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->time, "2026-11-23T06:13:56.123456789Z");
  EXPECT_TRUE(line->is_error_stream);
  EXPECT_FALSE(line->is_partial);
  EXPECT_EQ(line->text, "hello  world ");
}

TEST(ParseLogLine, KnowsPartialLinesAndEmptyText) {
  EXPECT_TRUE(parse_log_line("t stdout P abc")->is_partial);
  EXPECT_EQ(parse_log_line("t stdout F ")->text, "");
  EXPECT_EQ(parse_log_line("t stdout F")->text, "");
}

TEST(ParseLogLine, RefusesTornLines) {
  EXPECT_FALSE(parse_log_line("").has_value());
  EXPECT_FALSE(parse_log_line("2026-11-23T06:13").has_value());
  EXPECT_FALSE(parse_log_line("2026 stdin F x").has_value());
}

/// A log in a folder of its own, written and rotated as the runtime and the agent do it.
class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    folder_ = fs::temp_directory_path() / ("tetrarch-log-" + make_suffix(system_random(), 8));
    fs::create_directories(folder_);
    log_ = folder_ / "0.log";
  }

  ~LogFileTest() override { fs::remove_all(folder_); }

  void write(const std::string& text, char tag = 'F') {
    std::ofstream(log_, std::ios::app) << "t stdout " << tag << ' ' << text << '\n';
  }

  void rotate() {
    for (int n = static_cast<int>(log_files(log_).size()) - 1; n >= 0; --n) {
      fs::rename(n == 0 ? log_ : rotated_log(log_, n), rotated_log(log_, n + 1));
    }
  }

  std::string rest_of(const LogPlace& place) {
    LogFollower follower(log_, blocking_);
    follower.stop_waiting();
    return read_all(&follower, place);
  }

  std::string read_all(LogFollower* follower, std::optional<LogPlace> place = {}) {
    auto task = [](LogFollower* from, std::optional<LogPlace> at) -> Task<std::string> {
      if (at) {
        static_cast<void>(co_await from->skip_to(*at));
      }
      std::string texts;
      while (true) {
        const auto bytes = co_await from->read();
        if (!bytes.ok() || bytes->empty()) {
          break;
        }
        texts += *bytes;
      }
      co_return texts;
    };
    const auto raw =
        asio::co_spawn(pool_.strand(), task(follower, std::move(place)), asio::use_future).get();
    std::string out;
    std::istringstream lines(raw);
    for (std::string line; std::getline(lines, line);) {
      out += std::string(parse_log_line(line)->text) + " ";
    }
    return out;
  }

  fs::path folder_;
  fs::path log_;
  async::IoPool pool_{1};
  async::BlockingPool blocking_{1};
};

TEST_F(LogFileTest, TheTailReachesIntoRotatedFiles) {
  write("1");
  write("2");
  rotate();
  write("3");
  rotate();
  write("4");
  write("5");

  EXPECT_EQ(rest_of(tail_of(log_, 0)), "");
  EXPECT_EQ(rest_of(tail_of(log_, 1)), "5 ");
  EXPECT_EQ(rest_of(tail_of(log_, 2)), "4 5 ");
  EXPECT_EQ(rest_of(tail_of(log_, 3)), "3 4 5 ");
  EXPECT_EQ(rest_of(tail_of(log_, 4)), "2 3 4 5 ");
  EXPECT_EQ(rest_of(tail_of(log_, 9)), "1 2 3 4 5 ");
  EXPECT_EQ(tail_of(folder_ / "none", 3).offset, 0);
}

TEST_F(LogFileTest, ALineInPiecesCountsOnceInTheTail) {
  write("a");
  write("b1", 'P');
  rotate();
  write("b2", 'P');
  write("b3");
  write("c1", 'P');

  EXPECT_EQ(rest_of(tail_of(log_, 1)), "c1 ");
  EXPECT_EQ(rest_of(tail_of(log_, 2)), "b1 b2 b3 c1 ");
  EXPECT_EQ(rest_of(tail_of(log_, 3)), "a b1 b2 b3 c1 ");
}

TEST_F(LogFileTest, TheTailOfALargeFileIsFoundAcrossChunks) {
  const std::string text(5000, 'x');
  for (int i = 0; i < 100; ++i) {
    write(text + std::to_string(i));
  }

  EXPECT_EQ(rest_of(tail_of(log_, 1)), text + "99 ");
  EXPECT_EQ(rest_of(tail_of(log_, 60)).size(), 60 * (text.size() + 3));
}

TEST_F(LogFileTest, ASlowReaderPassesThroughEveryRotation) {
  write("1");
  LogFollower follower(log_, blocking_);
  follower.stop_waiting();
  EXPECT_EQ(read_all(&follower), "1 ");

  rotate();
  EXPECT_EQ(read_all(&follower), "") << "the new file is not there yet";
  std::ofstream(rotated_log(log_, 1), std::ios::app) << "t stdout F 2\n";
  write("3");
  rotate();
  write("4");
  rotate();
  write("5");
  EXPECT_EQ(read_all(&follower), "2 3 4 5 ");

  write("6");
  rotate();
  write("7");
  fs::remove(rotated_log(log_, 4));
  EXPECT_EQ(read_all(&follower), "6 7 ");
}

TEST_F(LogFileTest, AReaderWhoseFileIsRotatedAwayGoesOnWithTheOldestLeft) {
  write("1");
  LogFollower follower(log_, blocking_);
  follower.stop_waiting();
  EXPECT_EQ(read_all(&follower), "1 ");
  rotate();
  write("2");
  rotate();
  write("3");
  fs::remove(rotated_log(log_, 2));

  EXPECT_EQ(read_all(&follower), "2 3 ");
}

TEST_F(LogFileTest, AFollowerLeavesTheWriterTimeForItsLastLines) {
  write("1");
  LogFollower follower(log_, blocking_);
  EXPECT_EQ(read_all(&follower), "1 ");
  rotate();
  write("3");

  EXPECT_EQ(read_all(&follower), "");
  std::ofstream(rotated_log(log_, 1), std::ios::app) << "t stdout F 2\n";
  follower.stop_waiting();
  EXPECT_EQ(read_all(&follower), "2 3 ");
}

}  // namespace
}  // namespace tetrarch::agent::runtime
