// SPDX-License-Identifier: Apache-2.0
// What `tetrarch bench` measures: each part with a server of its own, so that none inherits from
// another.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::app {

struct Figure {
  std::string what;  ///< with its unit
  double value = 0;
  std::string aim = {};  ///< what docs/performance.md wants; empty: nothing
};

struct BenchScale {
  std::filesystem::path images;  ///< a folder with the archives that an agent loads
  int agents = 1000;             ///< of `agents`, each with thirty pods; of `fleet`, with ten units
};

struct BenchPart {
  std::string_view name;
  bool needs_agent;  ///< and so root, and images
  Result<std::vector<Figure>> (*measure)(const BenchScale& scale);
};

const std::vector<BenchPart>& bench_parts();

/// How long something is waited for, and how often it is asked.
struct Waiting {
  std::chrono::milliseconds patience;
  std::chrono::milliseconds pause;
};

/// Blocking. Code::timeout with `what`: it was not so in time.
Status wait_until(const Waiting& waiting, const std::function<bool()>& is_so, const char* what);

class BenchServer;
class HollowAgents;
/// Agents that have joined that server, which runs.
Result<std::unique_ptr<HollowAgents>> join_hollow_agents(const BenchServer& server, int count);

/// A server with hollow agents and their pods, and what it takes while nothing changes.
Result<std::vector<Figure>> measure_agents(const BenchScale& scale);
/// Units of fleet, over its API, on hollow agents.
Result<std::vector<Figure>> measure_fleet(const BenchScale& scale);

}  // namespace tetrarch::app
