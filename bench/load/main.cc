// SPDX-License-Identifier: Apache-2.0
// tetrarch_load: puts load on a running server and prints what it could do. See usage().
#include <cstdio>
#include <string>
#include <vector>

#include "async/io_pool.h"
#include "base/random.h"
#include "load/arguments.h"
#include "load/workload.h"

namespace {

using tetrarch::Result;
using tetrarch::load::Arguments;
using tetrarch::load::Report;

Result<Report> run(tetrarch::async::IoPool& pool, const Arguments& arguments) {
  const std::string name = "load-" + tetrarch::make_suffix(tetrarch::system_random());
  if (arguments.mode == "create") {
    return tetrarch::load::run_create(pool, arguments, name);
  }
  if (arguments.mode == "get") {
    return tetrarch::load::run_get(pool, arguments, name);
  }
  if (arguments.mode == "list") {
    return tetrarch::load::run_list(pool, arguments, name);
  }
  if (arguments.mode == "watch") {
    return tetrarch::load::run_watch(pool, arguments, name);
  }
  if (arguments.mode == "bind") {
    return tetrarch::load::run_bind(pool, arguments, name);
  }
  if (arguments.mode == "run") {
    return tetrarch::load::run_run(pool, arguments, name);
  }
  if (arguments.mode == "backlog") {
    return tetrarch::load::run_backlog(pool, arguments, name);
  }
  return tetrarch::Error{tetrarch::Code::invalid, "unknown mode: " + arguments.mode};
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = tetrarch::load::parse_arguments({argv + 1, argv + argc});
  if (!arguments.ok()) {
    std::fprintf(
        stderr, "%s\n%s", arguments.error().message.c_str(), tetrarch::load::usage().c_str());
    return 2;
  }
  tetrarch::async::IoPool pool(arguments->threads);
  auto report = run(pool, *arguments);
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", report.error().message.c_str());
    return 1;
  }
  const bool has_failed = report->failures > 0;
  std::fputs(tetrarch::load::format_report(std::move(report).value(), arguments->mode).c_str(),
             stdout);
  return has_failed ? 1 : 0;
}
