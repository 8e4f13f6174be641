// SPDX-License-Identifier: Apache-2.0
#include "agent/log_reader.h"

#include <algorithm>

#include "agent/runtime/on_pool.h"

namespace tetrarch::agent {

LogWishes log_wishes(object::View request, TimePoint now) {
  LogWishes out;
  out.is_following = request["follow"].boolean();
  out.has_timestamps = request["timestamps"].boolean();
  if (const auto tail = request["tailLines"]) {
    out.tail_lines = tail.integer();
  }
  if (const auto limit = request["limitBytes"]) {
    out.limit_bytes = limit.integer();
  }
  if (const auto seconds = request["sinceSeconds"]) {
    out.since = now - std::chrono::seconds(seconds.integer());
  } else if (const auto time = parse_time(request["sinceTime"].string()); time.ok()) {
    out.since = *time;
  }
  return out;
}

runtime::LogPlace first_place(const std::filesystem::path& log, const LogWishes& wishes) {
  if (wishes.tail_lines) {
    return runtime::tail_of(log, *wishes.tail_lines);
  }
  const auto files = runtime::log_files(log);
  return {files.back(), 0};
}

void LogFormatter::add(std::string_view line, std::string& out) {
  const auto parsed = runtime::parse_log_line(line);
  if (!parsed) {
    return;
  }
  if (wishes_.since) {
    const auto time = parse_time(parsed->time);
    if (!time.ok() || *time < *wishes_.since) {
      return;
    }
  }
  std::string text;
  if (wishes_.has_timestamps && !is_inside_line_) {
    text = std::string(parsed->time) + " ";
  }
  text += parsed->text;
  if (!parsed->is_partial) {
    text += '\n';
  }
  is_inside_line_ = parsed->is_partial;
  if (wishes_.limit_bytes) {
    text.resize(std::min(
        text.size(), static_cast<std::size_t>(std::max<std::int64_t>(*wishes_.limit_bytes, 0))));
    *wishes_.limit_bytes -= static_cast<std::int64_t>(text.size());
  }
  out += text;
}

std::string LogFormatter::feed(std::string_view bytes) {
  rest_ += bytes;
  std::string out;
  std::size_t begin = 0;
  for (std::size_t end = rest_.find('\n'); end != std::string::npos;
       end = rest_.find('\n', begin)) {
    add(std::string_view(rest_).substr(begin, end - begin), out);
    begin = end + 1;
  }
  rest_.erase(0, begin);
  return out;
}

LogReader::LogReader(std::filesystem::path path, LogWishes wishes, async::BlockingPool& blocking)
    : path_(std::move(path)),
      wishes_(wishes),
      blocking_(blocking),
      follower_(path_, blocking),
      formatter_(wishes) {}

Task<Status> LogReader::begin() {
  if (!wishes_.is_following) {
    follower_.stop_waiting();
  }
  auto work = [path = path_, wishes = wishes_] { return first_place(path, wishes); };
  auto place = co_await runtime::on_pool(blocking_, std::move(work));
  co_return co_await follower_.skip_to(std::move(place));
}

Task<Result<LogReader::Text>> LogReader::read() {
  CO_TRY(const auto bytes, co_await follower_.read());
  Text out;
  out.has_more = !bytes.empty();
  out.text = formatter_.feed(bytes);
  co_return out;
}

}  // namespace tetrarch::agent
