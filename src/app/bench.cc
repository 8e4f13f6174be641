// SPDX-License-Identifier: Apache-2.0
// `tetrarch bench`: measures this binary on this machine and prints a table.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "app/bench_parts.h"
#include "app/bench_server.h"
#include "app/command.h"
#include "app/machine.h"
#include "async/io_pool.h"

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;

struct Wish {
  std::vector<const BenchPart*> parts;
  int repeat = 3;
  BenchScale scale;
};

Result<int> number_of(const std::string& option, const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) {
    return Error{Code::invalid, fmt::format("bench: {} {} is no number from 1", option, text)};
  }
  return value;
}

/// Where a build of this repository has them.
fs::path images_beside_binary() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path().parent_path() / "images";
}

Result<Wish> parse(const std::vector<std::string>& words) {
  Wish out;
  out.scale.images = images_beside_binary();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--repeat" && i + 1 < words.size()) {
      TRY(out.repeat, number_of("--repeat", words[++i]));
      continue;
    }
    if (words[i] == "--agents" && i + 1 < words.size()) {
      TRY(out.scale.agents, number_of("--agents", words[++i]));
      continue;
    }
    if (words[i] == "--images" && i + 1 < words.size()) {
      out.scale.images = words[++i];
      continue;
    }
    const auto& all = bench_parts();
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const auto& part) { return part.name == words[i]; });
    if (found == all.end()) {
      return Error{Code::invalid, fmt::format("bench: no part '{}'", words[i])};
    }
    out.parts.push_back(&*found);
  }
  if (out.parts.empty()) {
    for (const auto& part : bench_parts()) {
      out.parts.push_back(&part);
    }
  }
  return out;
}

/// Why a part cannot be measured here; empty: it can.
std::string obstacle(const BenchPart& part, const fs::path& images) {
  if (!part.needs_agent) {
    return "";
  }
  if (::geteuid() != 0) {
    return "containers need root";
  }
  return fs::exists(images / "demo.tar")
             ? ""
             : fmt::format("no images in {}; say --images DIR", images.string());
}

void show_progress(const std::string& text) {
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  fmt::print(stderr, "{}{}{}", is_terminal ? "\r\033[K" : "", text, is_terminal ? "" : "\n");
}

std::string text_of(double value) {
  return value < 1000 ? fmt::format("{:.3g}", value) : fmt::format("{:.0f}", value);
}

/// The median of the runs, with the lowest and the highest.
void print_figure(const Figure& figure, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double median = values[values.size() / 2];
  const auto spread =
      values.size() == 1 ? ""
                         : fmt::format("{} to {}", text_of(values.front()), text_of(values.back()));
  fmt::print("{:<44} {:>10}  {:<22} {}\n", figure.what, text_of(median), spread, figure.aim);
}

Status measure(const BenchPart& part, const Wish& wish, const std::string& place) {
  std::vector<std::vector<Figure>> runs;
  for (int i = 1; i <= wish.repeat; ++i) {
    show_progress(fmt::format("{} {}: run {} of {}", place, part.name, i, wish.repeat));
    TRY(auto figures, part.measure(wish.scale));
    runs.push_back(std::move(figures));
  }
  if (::isatty(STDERR_FILENO) == 1) {
    show_progress("");
  }
  for (std::size_t at = 0; at < runs.front().size(); ++at) {
    std::vector<double> values;
    for (const auto& run : runs) {
      values.push_back(run[at].value);
    }
    print_figure(runs.front()[at], std::move(values));
  }
  std::fflush(stdout);
  return ok();
}

/// Ctrl-C leaves nothing behind: while this lives, a signal ends the servers and the program.
class SignalGuard {
 public:
  SignalGuard() {
    pool_.post([this] { watch(); });
  }

  ~SignalGuard() { is_over_ = true; }

  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  void watch() const {
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 100'000'000};
    while (!is_over_) {
      if (const int signal = sigtimedwait(&set_, nullptr, &kPause); signal > 0) {
        BenchServer::end_at_once();
        ::_exit(128 + signal);
      }
    }
  }

  const sigset_t set_ = block_signals();  // before there is a thread that would take them
  std::atomic<bool> is_over_ = false;
  async::BlockingPool pool_{1};  // last: ends first, and with it watch()
};

}  // namespace

int run_bench(const Config&, const std::vector<std::string>& rest) {
  const auto wish = parse(rest);
  if (!wish.ok()) {
    return fail(wish.error().message);
  }
  const SignalGuard guard;
  fmt::print("{:<44} {:>10}  {:<22} {}\n", "FIGURE", "MEDIAN", "LOWEST AND HIGHEST", "AIM");
  std::size_t number = 0;
  for (const auto* part : wish->parts) {
    const auto place = fmt::format("[{}/{}]", ++number, wish->parts.size());
    if (const auto why = obstacle(*part, wish->scale.images); !why.empty()) {
      fmt::print("{}: not measured: {}\n", part->name, why);
      continue;
    }
    if (const auto done = measure(*part, *wish, place); !done.ok()) {
      return fail(fmt::format("bench: {}: {}", part->name, done.error().message));
    }
  }
  return 0;
}

}  // namespace tetrarch::app
