// SPDX-License-Identifier: Apache-2.0
#include "sim/faults.h"

#include <algorithm>

#include <fmt/format.h>

#include "async/timer.h"

namespace tetrarch::sim {
namespace {

enum LinkFault : std::size_t { cut_both, cut_up, cut_down, slow, lossy, repeating, kLinkFaults };

constexpr const char* kLinkWords[] = {
    "is cut off", "reaches nobody", "hears nothing", "is slow", "loses messages", "repeats itself"};

}  // namespace

Faults::Faults(Parts parts, Chance chance)
    : parts_(parts), chance_(chance), group_(parts.executor, "sim") {}

void Faults::begin(TimePoint until) {
  until_ = until;
  group_.spawn(rage());
}

milliseconds Faults::left() const {
  return std::chrono::duration_cast<milliseconds>(until_ - parts_.network.clock().now());
}

milliseconds Faults::length(milliseconds low, milliseconds high) {
  return std::clamp(chance_.between(low, high), milliseconds(1), std::max(left(), milliseconds(1)));
}

Task<void> Faults::rage() {
  while (left() > seconds(1)) {
    co_await async::sleep_for(chance_.between(milliseconds(100), milliseconds(3'500)));
    const auto what = chance_.below(20);
    ++count_;
    if (what < 12) {
      // Now and then many at once.
      const auto& all = parts_.machines;
      const auto most = chance_.one_in(10) ? all.size() / 5 : all.size() / 50;
      const auto count = 1 + chance_.below(most + 1);
      for (std::size_t i = 0; i < count; ++i) {
        group_.spawn(hit_machine(chance_.below(all.size())));
      }
    } else if (what < 14) {
      crash_containers();
    } else if (what < 17) {
      group_.spawn(hit_user());
    } else {
      group_.spawn(hit_server());
    }
  }
}

void Faults::crash_containers() {
  const auto count = 1 + chance_.below(5);
  for (std::size_t i = 0; i < count; ++i) {
    parts_.machines[chance_.below(parts_.machines.size())]->pods().crash_one();
  }
}

Task<void> Faults::hit_machine(std::size_t number) {
  const auto name = parts_.machines[number]->name();
  if (!hit_.insert(name).second) {
    co_return;
  }
  parts_.invariants.trouble_begins(name);
  co_await suffer(number, chance_.below(10), length(seconds(1), seconds(60)));
  parts_.invariants.trouble_ends(name);
  hit_.erase(name);
}

Task<void> Faults::suffer(std::size_t number, std::size_t what, milliseconds length) {
  auto& machine = *parts_.machines[number];
  if (what < kLinkFaults) {
    co_await spoil_link(machine.name(), what, length);
  } else if (what < 8) {
    parts_.history.note(fmt::format("{}: the agent restarts", machine.name()));
    co_await machine.restart_agent(std::min(length, milliseconds(15'000)));
  } else {
    const bool loses_disk = chance_.one_in(4);
    parts_.history.note(
        fmt::format("{} loses power{}", machine.name(), loses_disk ? " and its disk" : ""));
    co_await machine.power_off(loses_disk);
    co_await async::sleep_for(length);
    parts_.history.note(fmt::format("{} boots", machine.name()));
    machine.boot();
  }
}

Task<void> Faults::spoil_link(std::string place, std::size_t what, milliseconds length) {
  auto& link = parts_.network.link(place);
  parts_.history.note(fmt::format("{} {} for {} ms", place, kLinkWords[what], length.count()));
  link.is_cut_up = what == cut_both || what == cut_up;
  link.is_cut_down = what == cut_both || what == cut_down;
  if (what == slow) {
    link.delay_min = milliseconds(200);
    link.delay_max = milliseconds(4'000);
  } else if (what == lossy) {
    link.loss_per_mille = 300;
  } else if (what == repeating) {
    link.repeat_per_mille = 500;
  }
  co_await async::sleep_for(length);
  link = Link();
  parts_.history.note(fmt::format("{} is well again", place));
}

Task<void> Faults::hit_user() {
  const auto& places = parts_.users.places();
  const auto place = places[chance_.below(places.size())];
  if (!hit_.insert(place).second) {
    co_return;
  }
  const auto what = chance_.below(kLinkFaults);
  co_await spoil_link(place, what, length(seconds(1), seconds(20)));
  hit_.erase(place);
}

Task<void> Faults::hit_server() {
  auto& server = parts_.server;
  if (!server.is_up() || server.is_paused()) {
    co_return;
  }
  const auto what = chance_.below(5);
  if (what == 3) {
    server.pause();
    co_await async::sleep_for(length(seconds(1), seconds(40)));
    server.resume();
  } else if (what == 4) {
    server.set_clock_by(seconds(chance_.between(-90, 90)));
  } else {
    server.end(static_cast<Server::End>(what));
    co_await async::sleep_for(length(milliseconds(100), seconds(30)));
    server.start();
  }
}

}  // namespace tetrarch::sim
