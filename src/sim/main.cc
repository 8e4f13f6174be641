// SPDX-License-Identifier: Apache-2.0
// tetrarch_sim: runs simulations by seed and says what was found. Ends with 1 where something was.
#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "sim/simulation.h"

namespace {

using tetrarch::sim::Options;
using tetrarch::sim::Outcome;

constexpr const char* kUsage =
    "usage: tetrarch_sim [--seed N | --seeds N-M] [--machines N] [--storm SECONDS]\n"
    "                    [--log FILE] [--twice] [--verbose]\n"
    "  --log FILE  every event, one a line ('-': standard output)\n"
    "  --twice     each seed two times; the histories must be equal\n"
    "  --verbose   with the log of the server itself\n";

struct Arguments {
  Options options;
  std::uint64_t first = 1;
  std::uint64_t last = 1;
  std::string log = {};
  bool is_twice = false;
};

bool number_of(std::string_view text, std::uint64_t* out) {
  const auto* end = text.data() + text.size();
  return !text.empty() && std::from_chars(text.data(), end, *out).ptr == end;
}

bool read_seeds(std::string_view text, Arguments* out) {
  const auto dash = text.find('-');
  const bool is_range = dash != std::string_view::npos;
  return number_of(text.substr(0, dash), &out->first) &&
         number_of(is_range ? text.substr(dash + 1) : text, &out->last);
}

bool take_value(std::string_view name, std::string_view value, Arguments* out) {
  std::uint64_t number = 0;
  if (name == "--seed" || name == "--seeds") {
    return read_seeds(value, out);
  }
  if (name == "--log") {
    out->log = value;
    return true;
  }
  if (!number_of(value, &number) || number == 0) {
    return false;
  }
  if (name == "--machines") {
    out->options.machines = number;
    return true;
  }
  out->options.storm = std::chrono::seconds(number);
  return name == "--storm";
}

bool read(int count, char** words, Arguments* out) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--twice") {
      out->is_twice = true;
    } else if (name == "--verbose") {
      tetrarch::log::set_level("info");
    } else if (i + 1 == count || !take_value(name, words[++i], out)) {
      return false;
    }
  }
  return true;
}

void print(const Outcome& outcome, const Options& options, std::chrono::duration<double> took) {
  fmt::print(
      "seed {}: {} machines, {} faults, {} starts of the server, {} writes, {} s simulated, right "
      "after {} s, history {:016x}, {:.1f} s: {}\n",
      options.seed,
      options.machines,
      outcome.faults,
      outcome.starts,
      outcome.writes,
      outcome.simulated.count() / 1000,
      outcome.recovery.count() / 1000,
      outcome.hash,
      took.count(),
      outcome.is_clean() ? "ok" : "VIOLATED");
  if (!outcome.is_clean()) {
    for (const auto& line : outcome.last_lines) {
      fmt::print("  {}\n", line);
    }
    for (const auto& violation : outcome.violations) {
      fmt::print("  seed {} {}\n", options.seed, violation);
    }
    fmt::print("  again: tetrarch_sim --seed {} --machines {} --storm {} --log events.txt\n",
               options.seed,
               options.machines,
               options.storm.count());
  }
  std::fflush(stdout);
}

bool run(const tetrarch::schema::Catalog& catalog, const Arguments& arguments, Options options) {
  const auto began = tetrarch::system_clock().steady();
  const auto outcome = tetrarch::sim::simulate(catalog, options);
  print(outcome, options, tetrarch::system_clock().steady() - began);
  if (!arguments.is_twice) {
    return outcome.is_clean();
  }
  const auto again = tetrarch::sim::simulate(catalog, options);
  if (again.hash != outcome.hash) {
    fmt::print("seed {}: the second run is another: {:016x}\n", options.seed, again.hash);
  }
  return outcome.is_clean() && again.hash == outcome.hash;
}

}  // namespace

int main(int count, char** words) {
  tetrarch::log::set_level("error");
  Arguments arguments;
  if (!read(count, words, &arguments)) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto catalog = tetrarch::schema::Catalog::load_builtin();
  if (!catalog.ok()) {
    fmt::print(stderr, "{}\n", catalog.error().message);
    return 2;
  }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(nullptr, std::fclose);
  if (arguments.log == "-") {
    arguments.options.log = stdout;
  } else if (!arguments.log.empty()) {
    file.reset(std::fopen(arguments.log.c_str(), "w"));
    arguments.options.log = file.get();
  }
  bool is_clean = true;
  for (auto seed = arguments.first; seed <= arguments.last; ++seed) {
    arguments.options.seed = seed;
    is_clean = run(**catalog, arguments, arguments.options) && is_clean;
  }
  return is_clean ? 0 : 1;
}
