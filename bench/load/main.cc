// SPDX-License-Identifier: Apache-2.0
// tetrarch_load: puts load on a running server and prints what it could do. See usage().
#include <cstdio>

#include "async/io_pool.h"
#include "load/arguments.h"
#include "load/workload.h"

int main(int argc, char** argv) {
  const auto arguments = tetrarch::load::parse_arguments({argv + 1, argv + argc});
  if (!arguments.ok()) {
    std::fprintf(
        stderr, "%s\n%s", arguments.error().message.c_str(), tetrarch::load::usage().c_str());
    return 2;
  }
  tetrarch::async::IoPool pool(arguments->threads);
  auto report = tetrarch::load::run(pool, *arguments);
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", report.error().message.c_str());
    return 1;
  }
  const bool has_failed = report->failures > 0;
  std::fputs(tetrarch::load::format_report(*report, arguments->mode).c_str(), stdout);
  return has_failed ? 1 : 0;
}
