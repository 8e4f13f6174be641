// SPDX-License-Identifier: Apache-2.0
#include "async/io_pool.h"

#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

namespace tetrarch::async {

struct IoPool::Impl {
  explicit Impl(int count) : context(count), guard(context.get_executor()) {
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([this] { context.run(); });
    }
  }

  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  std::vector<std::jthread> threads;
};

IoPool::IoPool(int threads) : impl_(std::make_unique<Impl>(threads)) {}

IoPool::~IoPool() {
  stop();
}

asio::any_io_executor IoPool::executor() {
  return impl_->context.get_executor();
}

asio::any_io_executor IoPool::strand() {
  return asio::make_strand(impl_->context.get_executor());
}

void IoPool::stop() {
  impl_->guard.reset();
  impl_->context.stop();
  impl_->threads.clear();
}

struct BlockingPool::Impl {
  explicit Impl(int count) : pool(static_cast<std::size_t>(count)) {}

  asio::thread_pool pool;
};

BlockingPool::BlockingPool(int threads) : impl_(std::make_unique<Impl>(threads)) {}

BlockingPool::~BlockingPool() {
  impl_->pool.join();
}

void BlockingPool::post(std::function<void()> work) {
  asio::post(impl_->pool, std::move(work));
}

asio::any_io_executor BlockingPool::executor() {
  return impl_->pool.get_executor();
}

}  // namespace tetrarch::async
