// SPDX-License-Identifier: Apache-2.0
// Simulation: a whole cluster in one thread and in virtual time, from one seed: machines join,
// users work, faults happen, then there is quiet and all has to come right; at last the server is
// killed once more, and nothing may change by it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "schema/catalog.h"
#include "sim/chance.h"

namespace tetrarch::sim {

/// A mistake that is made on purpose, to see that it is found.
enum class Mistake : std::uint8_t {
  none,
  lose_a_write,      ///< the journal says that it took a write, and did not
  delete_a_pod,      ///< a pod that was to go on is deleted, and nobody asked
  stop_a_container,  ///< an agent stops a container that was to go on
};

struct Options {
  std::uint64_t seed = 1;
  std::size_t machines = 100;
  seconds storm{120};  ///< for how long users and faults go on
  seconds calm{420};   ///< how long it may take until all is right again
  std::FILE* log = nullptr;
  Mistake mistake = Mistake::none;
};

struct Outcome {
  std::uint64_t hash = 0;  ///< of everything that happened
  std::size_t lines = 0;
  std::size_t writes = 0;
  std::size_t faults = 0;
  std::size_t starts = 0;  ///< of the server
  std::size_t judged = 0;
  milliseconds simulated{0};
  milliseconds recovery{0};  ///< from the last fault until users had ended and all was right
  std::vector<std::string> violations = {};
  std::vector<std::string> last_lines = {};

  bool is_clean() const { return violations.empty(); }
};

Outcome simulate(const schema::Catalog& catalog, const Options& options);

}  // namespace tetrarch::sim
