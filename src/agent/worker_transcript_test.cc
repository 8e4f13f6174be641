// SPDX-License-Identifier: Apache-2.0
// Transcripts of the pod worker: testdata/worker/*.txt hold scripts and everything that the worker
// did. Lines with '>' are commands ('>  ' goes on with the one before; "> new" begins with an empty
// node), '#' says what a reader should see; the rest is what came out. To write the files anew
// after a wanted change: TETRARCH_REWRITE=1 agent_test --gtest_filter='*Transcript*'.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "agent/worker_bench.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> scripts() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(TETRARCH_WORKER_SCRIPTS)) {
    if (entry.path().extension() == ".txt") {
      out.push_back(entry.path());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

/// Runs the commands of a script and returns it with what came out now.
std::string replayed(const std::string& script) {
  std::istringstream stream(script);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  auto bench = std::make_unique<WorkerBench>();
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i].starts_with('#')) {
      out += lines[i] + "\n";
    }
    if (!lines[i].starts_with("> ")) {
      continue;
    }
    out += lines[i] + "\n";
    std::string command = lines[i].substr(2);
    for (; i + 1 < lines.size() && lines[i + 1].starts_with(">  "); ++i) {
      out += lines[i + 1] + "\n";
      command += lines[i + 1].substr(2);
    }
    if (command == "new") {
      bench.reset();
      bench = std::make_unique<WorkerBench>();
    } else {
      out += bench->run(command);
    }
  }
  return out;
}

class WorkerTranscript : public testing::TestWithParam<fs::path> {};

TEST_P(WorkerTranscript, IsWhatTheWorkerDoes) {
  const auto written = read(GetParam());

  const auto now = replayed(written);

  if (std::getenv("TETRARCH_REWRITE") != nullptr) {
    std::ofstream(GetParam()) << now;
    return;
  }
  EXPECT_EQ(now, written);
}

INSTANTIATE_TEST_SUITE_P(Files,
                         WorkerTranscript,
                         testing::ValuesIn(scripts()),
                         [](const auto& row) { return row.param.stem().string(); });

}  // namespace
}  // namespace tetrarch::agent
