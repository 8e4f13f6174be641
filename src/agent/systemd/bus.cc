// SPDX-License-Identifier: Apache-2.0
#include "agent/systemd/bus.h"

#include <cerrno>
#include <list>
#include <poll.h>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "async/timer.h"

namespace tetrarch::agent::systemd {
namespace {

constexpr std::chrono::seconds kHelloDeadline{10};
/// What systemd's private sockets end with: /run/systemd/private, $XDG_RUNTIME_DIR/systemd/private.
constexpr std::string_view kPrivate = "/systemd/private";
constexpr std::uint64_t kNever = UINT64_MAX;  // deadlines are ours: sd-bus would need a timer

struct BusDeleter {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
};

struct SlotDeleter {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};

using Slot = std::unique_ptr<sd_bus_slot, SlotDeleter>;

Code code_of(int error) {
  switch (error) {
    case ENOENT:
      return Code::not_found;
    case EACCES:
    case EPERM:
      return Code::forbidden;
    case ETIMEDOUT:
      return Code::timeout;
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOTCONN:
    case EPIPE:
      return Code::unavailable;
    default:
      return Code::internal;
  }
}

/// Source: systemd, src/libsystemd/sd-bus/bus-common-errors.h.
Code code_of(const sd_bus_error& error) {
  const std::string_view name = error.name;
  if (name == "org.freedesktop.systemd1.NoSuchUnit") {
    return Code::not_found;
  }
  if (name == "org.freedesktop.systemd1.LoadFailed" ||
      name == "org.freedesktop.systemd1.BadUnitSetting" ||
      name == "org.freedesktop.systemd1.UnitMasked") {
    return Code::precondition;
  }
  return code_of(sd_bus_error_get_errno(&error));
}

/// Who is at the other end: a bus, which knows others by name, or systemd itself.
struct Peer {
  explicit Peer(std::string_view address) : is_bus(!address.ends_with(kPrivate)) {}

  /// What it answers, whatever else it does.
  Member hello() const {
    return {"org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            is_bus ? "org.freedesktop.DBus" : "org.freedesktop.DBus.Peer",
            is_bus ? "GetId" : "Ping"};
  }

  const char* destination_of(const Member& member) const {
    return is_bus ? member.destination : nullptr;
  }

  /// The part of a match rule that says whose signals are wanted.
  std::string rule_of(const char* sender) const {
    return is_bus ? fmt::format("sender='{}',", sender) : "";
  }

  bool is_bus;
};

/// A call under way; its frame is that of the coroutine that waits.
struct Pending {
  async::Event done;
  Message reply;

  static int on_reply(sd_bus_message* reply, void* self, sd_bus_error* /*unused*/) {
    auto& pending = *static_cast<Pending*>(self);
    pending.reply.reset(sd_bus_message_ref(reply));
    pending.done.raise();
    return 0;
  }
};

struct Subscriber {
  std::function<void(sd_bus_message*)> handler;
  Slot slot;

  static int on_message(sd_bus_message* message, void* self, sd_bus_error* /*unused*/) {
    static_cast<Subscriber*>(self)->handler(message);
    return 0;
  }
};

}  // namespace

struct Bus::State : std::enable_shared_from_this<Bus::State> {
  State(const asio::any_io_executor& strand, Peer its_peer) : peer(its_peer), socket(strand) {}

  const Peer peer;
  std::unique_ptr<sd_bus, BusDeleter> bus;
  asio::posix::stream_descriptor socket;  ///< a duplicate: sd-bus closes its own
  std::list<Subscriber> subscribers;      // slots go before the bus: declared behind it
  std::list<Pending*> waiting;
  std::function<void()> ended;
  bool is_reading = false;
  bool is_writing = false;
  bool is_over = false;

  /// Handles all that has come, then waits for the socket again.
  void turn() {
    const auto self = shared_from_this();
    int result = 1;
    while (!is_over && result > 0) {
      result = sd_bus_process(bus.get(), nullptr);
    }
    if (result < 0) {
      end();
    }
    wait();
  }

  void wait() {
    const int events = is_over ? 0 : sd_bus_get_events(bus.get());
    if (events < 0) {
      end();
      return;
    }
    if ((events & POLLIN) != 0 && !std::exchange(is_reading, true)) {
      wait_for(asio::posix::stream_descriptor::wait_read, is_reading);
    }
    if ((events & POLLOUT) != 0 && !std::exchange(is_writing, true)) {
      wait_for(asio::posix::stream_descriptor::wait_write, is_writing);
    }
  }

  void wait_for(asio::posix::stream_descriptor::wait_type what, bool& flag) {
    socket.async_wait(what, [self = shared_from_this(), &flag](boost::system::error_code error) {
      flag = false;
      if (!error && !self->is_over) {
        self->turn();
      }
    });
  }

  void end() {
    if (std::exchange(is_over, true)) {
      return;
    }
    close();
    for (Pending* pending : waiting) {
      pending->done.raise();
    }
    if (const auto handler = std::exchange(ended, nullptr)) {
      handler();
    }
  }

  void close() {
    is_over = true;
    boost::system::error_code ignored;  // a socket that is closed already is as good
    socket.close(ignored);
  }
};

Error bus_error(std::string_view what, int negative_errno) {
  return {code_of(-negative_errno),
          fmt::format("{}: {}", what, std::generic_category().message(-negative_errno))};
}

Bus::Bus(std::shared_ptr<State> state) : state_(std::move(state)) {}

Bus::~Bus() {
  state_->close();
  state_->subscribers.clear();
}

Task<Result<std::shared_ptr<Bus>>> Bus::connect(std::string address) {
  sd_bus* made = nullptr;
  if (const int error = sd_bus_new(&made); error < 0) {
    co_return bus_error("D-Bus", error);
  }
  const auto strand = co_await asio::this_coro::executor;
  auto state = std::make_shared<State>(strand, Peer(address));
  state->bus.reset(made);
  const std::string what = fmt::format("D-Bus at {}", address);
  for (const int error : {sd_bus_set_address(made, address.c_str()),
                          sd_bus_set_bus_client(made, state->peer.is_bus ? 1 : 0),
                          sd_bus_start(made)}) {
    if (error < 0) {
      co_return bus_error(what, error);
    }
  }
  const int descriptor = ::dup(sd_bus_get_fd(made));
  if (descriptor < 0) {
    co_return bus_error(what, -errno);
  }
  state->socket.assign(descriptor);
  auto bus = std::make_shared<Bus>(state);
  state->wait();
  CO_TRY(auto hello, bus->new_call(state->peer.hello()));
  CO_TRY_STATUS(co_await bus->call(std::move(hello), kHelloDeadline));
  co_return bus;
}

Result<Message> Bus::new_call(const Member& member) {
  sd_bus_message* made = nullptr;
  const int error = sd_bus_message_new_method_call(state_->bus.get(),
                                                   &made,
                                                   state_->peer.destination_of(member),
                                                   member.path,
                                                   member.interface,
                                                   member.name);
  if (error < 0) {
    return bus_error(member.name, error);
  }
  return Message(made);
}

Task<Result<Message>> Bus::call(Message request, std::chrono::milliseconds deadline) {
  const auto state = state_;
  const std::string what = sd_bus_message_get_member(request.get());
  if (state->is_over) {
    co_return bus_error(what, -ENOTCONN);
  }
  Pending pending;
  sd_bus_slot* made = nullptr;
  const int error = sd_bus_call_async(
      state->bus.get(), &made, request.get(), Pending::on_reply, &pending, kNever);
  if (error < 0) {
    co_return bus_error(what, error);
  }

  struct Entry {  // ends the wait's traces also when the coroutine is cancelled
    State& state;
    std::list<Pending*>::iterator at;
    Slot slot;

    ~Entry() { state.waiting.erase(at); }
  };

  const Entry entry{*state, state->waiting.insert(state->waiting.end(), &pending), Slot(made)};
  state->wait();
  const bool is_done = co_await pending.done.wait_for(deadline);
  if (!is_done) {
    co_return bus_error(what, -ETIMEDOUT);
  }
  if (!pending.reply) {
    co_return bus_error(what, -ENOTCONN);
  }
  if (const sd_bus_error* failure = sd_bus_message_get_error(pending.reply.get())) {
    co_return Error{code_of(*failure), fmt::format("{}: {}", what, failure->message)};
  }
  co_return std::move(pending.reply);
}

Status Bus::match(const char* sender,
                  const std::string& rest,
                  std::function<void(sd_bus_message*)> handler) {
  const std::string rule = fmt::format("type='signal',{}{}", state_->peer.rule_of(sender), rest);
  state_->subscribers.push_back({std::move(handler), nullptr});
  auto& subscriber = state_->subscribers.back();
  sd_bus_slot* made = nullptr;
  const int error = sd_bus_add_match_async(
      state_->bus.get(), &made, rule.c_str(), Subscriber::on_message, nullptr, &subscriber);
  if (error < 0) {
    state_->subscribers.pop_back();
    return bus_error("AddMatch", error);
  }
  subscriber.slot.reset(made);
  state_->wait();
  return ok();
}

void Bus::on_end(std::function<void()> handler) {
  state_->ended = std::move(handler);
}

bool Bus::is_open() const {
  return !state_->is_over;
}

}  // namespace tetrarch::agent::systemd
