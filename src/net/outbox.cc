// SPDX-License-Identifier: Apache-2.0
#include "net/outbox.h"

#include "net/prompt_stream.h"
#include "net/spare.h"

namespace tetrarch::net {

Task<Status> Outbox::push(std::string head, std::string_view payload) {
  while (true) {
    auto room = std::make_shared<async::Event>();  // shared with the list of those who wait
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_ || is_finished_) {
        co_return Error{Code::cancelled, "the connection has ended"};
      }
      if (pending_.size() < capacity_) {
        if (pending_.empty()) {
          take_spare(pending_);
        }
        pending_ += head;
        pending_ += payload;
        has_work_.raise();
        co_return ok();
      }
      waiting_.push_back(room);
    }
    co_await room->wait();
  }
}

bool Outbox::push_now(std::string_view frame) {
  const std::lock_guard lock(mutex_);
  if (is_closed_ || is_finished_ || pending_.size() > 4 * capacity_) {
    return false;
  }
  pending_ += frame;
  has_work_.raise();
  return true;
}

bool Outbox::push_or_send(Stream& to, std::string_view frame) {
  bool is_free = false;
  {
    const std::lock_guard lock(mutex_);
    is_free = !is_closed_ && !is_finished_ && !is_sending_ && pending_.empty();
  }
  auto* const prompt = is_free ? dynamic_cast<PromptStream*>(&to) : nullptr;
  return (prompt != nullptr && prompt->write_now(frame)) || push_now(frame);
}

void Outbox::wake_all() {
  for (const auto& event : waiting_) {
    event->raise();
  }
  waiting_.clear();
}

void Outbox::finish() {
  const std::lock_guard lock(mutex_);
  is_finished_ = true;
  wake_all();
  has_work_.raise();
}

void Outbox::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  pending_.clear();
  wake_all();
  has_work_.raise();
}

Task<Status> Outbox::drain(Stream& to) {
  std::string sending;
  while (true) {
    give_spare(sending);
    bool is_last = false;
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) {
        co_return Error{Code::cancelled, "the connection has ended"};
      }
      std::swap(sending, pending_);  // no storage is kept while nothing is sent
      is_sending_ = !sending.empty();
      is_last = sending.empty() && is_finished_;
      wake_all();
    }
    if (is_last) {
      co_return ok();
    }
    if (sending.empty()) {
      co_await has_work_.wait();
      continue;
    }
    auto written = co_await to.write(sending);
    if (!written.ok()) {
      close();
      co_return written;
    }
  }
}

}  // namespace tetrarch::net
