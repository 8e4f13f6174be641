// SPDX-License-Identifier: Apache-2.0
// Further networks of pods on machines that are network namespaces: needs root.
#include "agent/network/side_network.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/network/side_links.h"

namespace tetrarch::agent::network {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::SizeIs;

std::uint32_t address(const char* text) {
  return *parse_ipv4(text);
}

/// A network namespace that lives as long as a process of ours in it, and a name of it that goes
/// with it, as those below /run/netns do.
class Space {
 public:
  explicit Space(const fs::path& name) : name_(name) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const char done = ::unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
      static_cast<void>(!::write(ready[1], &done, 1));
      ::pause();
      ::_exit(0);
    }
    char done = 'n';
    EXPECT_EQ(::read(ready[0], &done, 1), 1);
    EXPECT_EQ(done, 'y') << "needs root";
    ::close(ready[0]);
    ::close(ready[1]);
    fs::create_symlink(fmt::format("/proc/{}/ns/net", pid_), name_);
  }

  ~Space() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    fs::remove(name_);
  }

  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;

  const fs::path& name() const { return name_; }

  pid_t pid() const { return pid_; }

  /// Runs `work` in it, on this thread.
  template <class Function>
  auto in(const Function& work) const {
    const int here = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    const int there = ::open(name_.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(::setns(there, CLONE_NEWNET), 0);
    auto out = work();
    EXPECT_EQ(::setns(here, CLONE_NEWNET), 0);
    ::close(here);
    ::close(there);
    return out;
  }

  int run(const std::string& command) const {
    return in([&] { return std::system(command.c_str()); });  // NOLINT: a test's own words
  }

 private:
  fs::path name_;
  pid_t pid_ = 0;
};

sockaddr_in at(const char* text, std::uint16_t port) {
  sockaddr_in out = {};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &out.sin_addr);
  return out;
}

/// Whether a datagram of so many bytes gets from one pod to the other.
bool passes(const Space& from, const Space& to, const char* target, std::size_t size = 100) {
  constexpr std::uint16_t kPort = 7777;
  constexpr int kPatienceMs = 2000;
  const int receiver = to.in([] { return ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); });
  const int sender = from.in([] { return ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); });
  const auto place = at("0.0.0.0", kPort);
  const auto goal = at(target, kPort);
  const std::string sent(size, 'x');
  bool has_passed = false;
  if (::bind(receiver, reinterpret_cast<const sockaddr*>(&place), sizeof(place)) == 0 &&
      ::sendto(sender,
               sent.data(),
               sent.size(),
               0,
               reinterpret_cast<const sockaddr*>(&goal),
               sizeof(goal)) == static_cast<ssize_t>(size)) {
    pollfd wait{.fd = receiver, .events = POLLIN, .revents = 0};
    std::string got(size, 0);
    has_passed = ::poll(&wait, 1, kPatienceMs) == 1 &&
                 ::recv(receiver, got.data(), got.size(), 0) == static_cast<ssize_t>(size);
  }
  ::close(receiver);
  ::close(sender);
  return has_passed;
}

/// Within a few tries: who was asked for in vain is not asked for again at once.
bool comes_to_pass(const Space& from, const Space& to, const char* target) {
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    if (passes(from, to, target)) {
      return true;
    }
  }
  return false;
}

/// Two machines on one wire, 10.91.0.1 and .2, and pods' networks as they are needed.
class SideNetworksTest : public testing::Test {
 protected:
  SideNetworksTest() {
    first_ = std::make_unique<Space>(place_ / "first");
    second_ = std::make_unique<Space>(place_ / "second");
    first_->run(fmt::format("ip link add wire type veth peer name wire netns {}", second_->pid()));
    first_->run("ip addr add 10.91.0.1/24 dev wire && ip link set wire up");
    second_->run("ip addr add 10.91.0.2/24 dev wire && ip link set wire up");
  }

  ~SideNetworksTest() override {
    first_.reset();
    second_.reset();
    pods_.clear();
    fs::remove_all(place_);
  }

  static fs::path make_place() {
    auto name = (fs::temp_directory_path() / "side-XXXXXX").string();
    return ::mkdtemp(name.data());
  }

  Space& pod(const std::string& name) {
    auto& out = pods_[name];
    if (out == nullptr) {
      out = std::make_unique<Space>(place_ / ("pod-" + name));
    }
    return *out;
  }

  SideOptions options_of(const Space& machine) const {
    const bool is_first = &machine == first_.get();
    return {is_first ? "aaaaaa" : "bbbbbb",
            place_ / (is_first ? "notes-1" : "notes-2"),
            address(is_first ? "10.91.0.1" : "10.91.0.2")};
  }

  static SideNetwork a_network(const std::string& id, std::uint32_t vni) {
    SideNetwork out;
    out.id = id;
    out.vni = vni;
    out.range = *Ipv4Range::parse("10.60.0.0/24");
    return out;
  }

  SidePort port_of(const std::string& name, const char* where, std::string interface = "eth1") {
    return {name, pod(name).name(), std::move(interface), address(where)};
  }

  /// One network over both machines with a pod on each.
  void join_both(SideNetworks& one, SideNetworks& two, const std::string& id, std::uint32_t vni) {
    auto network = a_network(id, vni);
    network.machines = {address("10.91.0.2")};
    ASSERT_TRUE(first_->in([&] { return one.ensure(network); }).ok());
    network.machines = {address("10.91.0.1")};
    ASSERT_TRUE(second_->in([&] { return two.ensure(network); }).ok());
  }

  Status attach(SideNetworks& networks,
                const Space& machine,
                const std::string& id,
                const SidePort& port) {
    return machine.in([&] { return networks.attach(id, port); });
  }

  std::vector<std::string> links_of(const Space& machine) const {
    return machine.in([] {
      auto out = *links_named("t");
      std::erase_if(out, [](const auto& name) { return name == "tunl0"; });
      return out;
    });
  }

  fs::path place_ = make_place();
  std::unique_ptr<Space> first_;
  std::unique_ptr<Space> second_;
  std::map<std::string, std::unique_ptr<Space>> pods_;
};

TEST_F(SideNetworksTest, PodsOfOneMachineReachEachOtherAndNoOtherNetwork) {
  SideNetworks one(options_of(*first_));
  ASSERT_TRUE(first_->in([&] { return one.ensure(a_network("red", 0)); }).ok());
  ASSERT_TRUE(first_->in([&] { return one.ensure(a_network("blue", 0)); }).ok());
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  ASSERT_TRUE(attach(one, *first_, "red", port_of("b", "10.60.0.3")).ok());
  ASSERT_TRUE(attach(one, *first_, "blue", port_of("c", "10.60.0.3")).ok());

  EXPECT_TRUE(passes(pod("a"), pod("b"), "10.60.0.3"));
  EXPECT_FALSE(passes(pod("a"), pod("c"), "10.60.0.3"));
}

TEST_F(SideNetworksTest, PodsOfTwoMachinesReachEachOtherByTheirVni) {
  SideNetworks one(options_of(*first_));
  SideNetworks two(options_of(*second_));
  join_both(one, two, "red", 4097);
  join_both(one, two, "blue", 4098);
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  ASSERT_TRUE(attach(two, *second_, "red", port_of("b", "10.60.0.3")).ok());
  ASSERT_TRUE(attach(two, *second_, "blue", port_of("c", "10.60.0.3")).ok());

  EXPECT_TRUE(passes(pod("a"), pod("b"), "10.60.0.3"));
  EXPECT_TRUE(passes(pod("b"), pod("a"), "10.60.0.2"));
  EXPECT_TRUE(passes(pod("a"), pod("b"), "10.60.0.3", 1450 - 28)) << "what an interface carries";
  EXPECT_TRUE(passes(pod("a"), pod("b"), "10.60.0.3", 8000)) << "in pieces";
  EXPECT_FALSE(passes(pod("a"), pod("c"), "10.60.0.3")) << "the same address in another network";
}

TEST_F(SideNetworksTest, APodIsInSeveralNetworksAndGoesOutOfOne) {
  SideNetworks one(options_of(*first_));
  auto other = a_network("blue", 0);
  other.range = *Ipv4Range::parse("10.61.0.0/24");
  ASSERT_TRUE(first_->in([&] { return one.ensure(a_network("red", 0)); }).ok());
  ASSERT_TRUE(first_->in([&] { return one.ensure(other); }).ok());
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  ASSERT_TRUE(attach(one, *first_, "blue", port_of("a", "10.61.0.2", "eth2")).ok());
  ASSERT_TRUE(attach(one, *first_, "red", port_of("b", "10.60.0.3")).ok());
  ASSERT_TRUE(attach(one, *first_, "blue", port_of("b", "10.61.0.3", "eth2")).ok());

  ASSERT_TRUE(first_->in([&] { return one.detach("red", "a"); }).ok());

  EXPECT_FALSE(passes(pod("b"), pod("a"), "10.60.0.2"));
  EXPECT_TRUE(passes(pod("b"), pod("a"), "10.61.0.2"));
  EXPECT_TRUE(first_->in([&] { return one.detach("red", "a"); }).ok()) << "gone already";
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  EXPECT_TRUE(comes_to_pass(pod("b"), pod("a"), "10.60.0.2")) << "and comes back";
}

TEST_F(SideNetworksTest, TheMachineIsInANetworkWithAGateway) {
  SideNetworks one(options_of(*first_));
  auto network = a_network("red", 0);
  network.gateway = address("10.60.0.1");
  ASSERT_TRUE(first_->in([&] { return one.ensure(network); }).ok());
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());

  EXPECT_TRUE(passes(pod("a"), *first_, "10.60.0.1"));
  EXPECT_TRUE(passes(*first_, pod("a"), "10.60.0.2"));
}

TEST_F(SideNetworksTest, ARestartTouchesNothingThatIsRight) {
  SideNetworks two(options_of(*second_));
  {
    SideNetworks one(options_of(*first_));
    join_both(one, two, "red", 4097);
    ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
    ASSERT_TRUE(attach(one, *first_, "red", port_of("gone", "10.60.0.9")).ok());
    ASSERT_TRUE(attach(two, *second_, "red", port_of("b", "10.60.0.3")).ok());
  }
  const auto indexes = "ip -o link | cut -d: -f1,2";
  ASSERT_EQ(first_->run(fmt::format("{} | grep -v tp >{}/before", indexes, place_.string())), 0);
  pods_.erase("gone");

  SideNetworks again(options_of(*first_));
  ASSERT_TRUE(first_->in([&] { return again.restore(); }).ok());

  EXPECT_THAT(again.networks().at("red").ports, SizeIs(1)) << "a pod that is gone is forgotten";
  EXPECT_EQ(first_->run(fmt::format("{} | grep -v tp | cmp - {}/before", indexes, place_.string())),
            0)
      << "no link was made anew";
  EXPECT_TRUE(passes(pod("a"), pod("b"), "10.60.0.3"));
  ASSERT_TRUE(first_->in([&] { return again.detach("red", "a"); }).ok());
  EXPECT_FALSE(passes(pod("b"), pod("a"), "10.60.0.2"));
}

TEST_F(SideNetworksTest, WhatSomebodyTookAwayIsMadeAnewAtTheNextStart) {
  SideNetworks one(options_of(*first_));
  SideNetworks two(options_of(*second_));
  join_both(one, two, "red", 4097);
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  ASSERT_TRUE(attach(two, *second_, "red", port_of("b", "10.60.0.3")).ok());
  for (const auto& link : links_of(*first_)) {
    first_->run("ip link del " + link);
  }
  ASSERT_FALSE(passes(pod("a"), pod("b"), "10.60.0.3"));

  SideNetworks again(options_of(*first_));
  ASSERT_TRUE(first_->in([&] { return again.restore(); }).ok());

  EXPECT_TRUE(comes_to_pass(pod("a"), pod("b"), "10.60.0.3"));
}

TEST_F(SideNetworksTest, MachinesComeAndGo) {
  SideNetworks one(options_of(*first_));
  SideNetworks two(options_of(*second_));
  join_both(one, two, "red", 4097);
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  ASSERT_TRUE(attach(two, *second_, "red", port_of("b", "10.60.0.3")).ok());
  ASSERT_TRUE(passes(pod("a"), pod("b"), "10.60.0.3"));

  ASSERT_TRUE(first_->in([&] { return one.ensure(a_network("red", 4097)); }).ok());
  EXPECT_FALSE(passes(pod("a"), pod("b"), "10.60.0.3")) << "nor by what was learned";
  auto network = a_network("red", 4097);
  network.machines = {address("10.91.0.2")};
  ASSERT_TRUE(first_->in([&] { return one.ensure(network); }).ok());
  EXPECT_TRUE(comes_to_pass(pod("a"), pod("b"), "10.60.0.3"));
}

TEST_F(SideNetworksTest, NothingIsLeftOfWhatIsRemoved) {
  SideNetworks one(options_of(*first_));
  SideNetworks two(options_of(*second_));
  join_both(one, two, "red", 4097);
  join_both(one, two, "blue", 4098);
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  ASSERT_TRUE(attach(one, *first_, "blue", port_of("b", "10.60.0.2")).ok());

  ASSERT_TRUE(first_->in([&] { return one.remove("red"); }).ok());
  EXPECT_THAT(links_of(*first_), SizeIs(3)) << "of the other network";
  ASSERT_TRUE(first_->in([&] { return tear_down_side_networks(options_of(*first_)); }).ok());

  EXPECT_THAT(links_of(*first_), IsEmpty());
  EXPECT_FALSE(fs::exists(options_of(*first_).directory));
  EXPECT_NE(pod("b").run("ip link show eth1 2>/dev/null"), 0);
}

TEST_F(SideNetworksTest, RefusesWhatCannotBe) {
  SideNetworks one(options_of(*first_));
  const auto code_of = [](const Status& done) {
    return done.ok() ? Code::internal : done.error().code;
  };
  ASSERT_TRUE(first_->in([&] { return one.ensure(a_network("red", 0)); }).ok());
  ASSERT_TRUE(attach(one, *first_, "red", port_of("a", "10.60.0.2")).ok());
  auto moved = a_network("red", 0);
  moved.range = *Ipv4Range::parse("10.61.0.0/24");
  SidePort nowhere = port_of("a", "10.60.0.4");
  nowhere.pod = "nobody";
  nowhere.pod_network = place_ / "no-such-pod";

  EXPECT_EQ(code_of(one.ensure(moved)), Code::conflict);
  EXPECT_EQ(code_of(one.ensure(a_network("", 0))), Code::invalid);
  EXPECT_EQ(code_of(one.ensure(a_network("big", 1U << 24))), Code::invalid);
  EXPECT_EQ(code_of(attach(one, *first_, "green", port_of("b", "10.60.0.3"))), Code::not_found);
  EXPECT_EQ(code_of(attach(one, *first_, "red", nowhere)), Code::not_found);
  EXPECT_EQ(code_of(attach(one, *first_, "red", port_of("b", "10.60.0.2"))), Code::conflict);
  EXPECT_EQ(code_of(attach(one, *first_, "red", port_of("a", "10.60.0.5"))), Code::conflict);
  EXPECT_EQ(code_of(attach(one, *first_, "red", port_of("b", "10.99.0.2"))), Code::invalid);
  EXPECT_EQ(code_of(attach(one, *first_, "red", port_of("b", "10.60.0.6", "lo"))), Code::conflict);
  EXPECT_THAT(one.networks().at("red").ports, SizeIs(1));
}

TEST_F(SideNetworksTest, HalfANoteIsNoNetwork) {
  const auto options = options_of(*first_);
  fs::create_directories(options.directory);
  std::ofstream(options.directory / "abcdef.json") << R"({"id":"red","vni":)";
  SideNetworks one(options);

  EXPECT_TRUE(first_->in([&] { return one.restore(); }).ok());
  EXPECT_THAT(one.networks(), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::agent::network
