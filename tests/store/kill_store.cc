// SPDX-License-Identifier: Apache-2.0
// kill -9 of a store under load, again and again on the same directory; after each kill the next
// child reports what it found, and the ledger judges whether every acknowledged write, every
// revision and every watch event holds.
//   kill_store [--rounds N] [--seed N]
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <random>
#include <string>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/random.h"
#include "kill_child.h"
#include "kill_ledger.h"

namespace tetrarch::store_kill {
namespace {

struct ChildProcess {
  pid_t pid;
  int reports;
};

ChildProcess start_child(const std::string& directory, std::uint64_t seed, bool only_looks) {
  int ends[2];
  if (::pipe(ends) != 0) {
    fmt::print(stderr, "no pipe\n");
    std::exit(2);
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
      ::_exit(3);
    }
    const std::string fd = std::to_string(ends[1]);
    const std::string seed_text = std::to_string(seed);
    ::execl("/proc/self/exe",
            "kill_store",
            only_looks ? "--look" : "--child",
            directory.c_str(),
            fd.c_str(),
            seed_text.c_str(),
            static_cast<char*>(nullptr));
    ::_exit(3);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

/// Feeds whole lines to the ledger. At the time to kill it kills, then goes on to the end of what
/// was reported.
class Listener {
 public:
  Listener(ChildProcess child, Ledger& ledger) : child_(child), ledger_(ledger) {}

  /// The child's wait status. `lifetime` counts from the first report, or (not `early`) from when
  /// it begins to write.
  int listen(std::chrono::microseconds lifetime, bool early, bool kills) {
    SteadyPoint end = SteadyPoint::max();
    while (true) {
      const SteadyPoint now = system_clock().steady();
      if (kills && !is_killed_ && now >= end) {
        ::kill(child_.pid, SIGKILL);
        is_killed_ = true;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - now).count();
      pollfd reports{.fd = child_.reports, .events = POLLIN, .revents = 0};
      ::poll(
          &reports,
          1,
          end == SteadyPoint::max() || is_killed_ ? -1 : static_cast<int>(std::max<long>(left, 0)));
      if (reports.revents != 0 && !read_some()) {
        break;
      }
      if (end == SteadyPoint::max() && (early ? has_heard_ : ledger_.is_child_writing())) {
        end = system_clock().steady() + lifetime;
      }
    }
    int status = 0;
    ::waitpid(child_.pid, &status, 0);
    ::close(child_.reports);
    return status;
  }

 private:
  bool read_some() {
    char buffer[65536];
    const ssize_t size = ::read(child_.reports, buffer, sizeof(buffer));
    if (size <= 0) {
      return false;
    }
    has_heard_ = true;
    text_.append(buffer, static_cast<std::size_t>(size));
    std::size_t begin = 0;
    for (std::size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', begin)) {
      ledger_.line(text_.substr(begin, at - begin));
      begin = at + 1;
    }
    text_.erase(0, begin);
    return true;
  }

  const ChildProcess child_;
  Ledger& ledger_;
  std::string text_;
  bool has_heard_ = false;
  bool is_killed_ = false;
};

int run_driver(int rounds, std::uint64_t seed) {
  std::string directory =
      (std::filesystem::temp_directory_path() / "tetrarch-kill-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) {
    fmt::print(stderr, "cannot make {}\n", directory);
    return 2;
  }
  fmt::print("kill_store: {} rounds, --seed {}, in {}\n", rounds, seed, directory);
  std::mt19937_64 random(seed);
  Ledger ledger;
  int rounds_with_writes = 0;
  for (int round = 0; round <= rounds; ++round) {
    const bool is_last = round == rounds;
    // Mostly in the midst of the load; sometimes so early that it is still opening or has just
    // begun.
    const bool early = random() % 6 == 0;
    const auto lifetime = std::chrono::microseconds(random() % (early ? 10'000 : 400'000));
    Listener listener(start_child(directory + "/store", random(), is_last), ledger);
    const int status = listener.listen(lifetime, early, !is_last);
    const bool is_as_meant =
        is_last ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : WIFSIGNALED(status);
    rounds_with_writes += ledger.end_of_child() ? 1 : 0;
    if (!is_as_meant || !ledger.faults().empty()) {
      fmt::print("FAILED in round {} (wait status {:#x}); --seed {}; the directory is kept: {}\n",
                 round,
                 status,
                 seed,
                 directory);
      for (std::size_t i = 0; i < std::min<std::size_t>(ledger.faults().size(), 20); ++i) {
        fmt::print("  {}\n", ledger.faults()[i]);
      }
      return 1;
    }
  }
  std::filesystem::remove_all(directory);
  fmt::print(
      "{} kills, {} of them amid writes; {} acknowledged writes and {} watch events hold; {} "
      "writes under way were kept\n",
      rounds,
      rounds_with_writes,
      ledger.acknowledged(),
      ledger.events(),
      ledger.in_flight_kept());
  return rounds_with_writes * 2 > rounds ? 0 : 1;
}

}  // namespace
}  // namespace tetrarch::store_kill

int main(int argc, char** argv) {
  using namespace tetrarch;
  const std::string_view role = argc > 1 ? argv[1] : "";
  if (argc == 5 && (role == "--child" || role == "--look")) {
    return store_kill::run_child(
        argv[2], std::atoi(argv[3]), std::strtoull(argv[4], nullptr, 10), role == "--look");
  }
  int rounds = 20;
  std::uint64_t seed = system_random().next() % 1'000'000;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--rounds") {
      rounds = std::atoi(argv[i + 1]);
    } else if (std::string_view(argv[i]) == "--seed") {
      seed = std::strtoull(argv[i + 1], nullptr, 10);
    }
  }
  return store_kill::run_driver(rounds, seed);
}
