// SPDX-License-Identifier: Apache-2.0
// tetrarch_echo CERTIFICATE KEY [THREADS]: a server whose handler does nothing, so that
// tetrarch_load measures the room net alone. What has a body gets it back; GET sends ?lines=N
// pieces of 2 KB. Prints its port and runs until its input ends.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "async/io_pool.h"
#include "net/server.h"

namespace {

using tetrarch::Task;

std::string read_file(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class EchoHandler final : public tetrarch::net::Handler {
 public:
  Task<void> handle(tetrarch::net::Request request, tetrarch::net::Exchange& exchange) override {
    if (request.method != "GET") {
      (void)co_await exchange.respond(201, {}, std::move(request.body));
      co_return;
    }
    tetrarch::net::Body body;
    body.pieces.assign(std::stoul(request.parameter("lines").value_or("10000")), line_);
    (void)co_await exchange.respond(200, {}, std::move(body));
  }

 private:
  const std::string line_ = std::string(2178, 'x');
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("tetrarch_echo CERTIFICATE KEY [THREADS]\n", stderr);
    return 2;
  }
  tetrarch::async::IoPool pool(argc > 3 ? std::stoi(argv[3]) : 1);
  EchoHandler handler;
  tetrarch::net::Server server(pool, handler, {});
  const auto tls =
      tetrarch::net::TlsContext::for_server({read_file(argv[1]), read_file(argv[2]), ""});
  const auto port = tls.ok() ? server.listen("127.0.0.1", 0, *tls) : tls.error();
  if (!port.ok()) {
    std::fprintf(stderr, "%s\n", port.error().message.c_str());
    return 1;
  }
  server.run();
  std::printf("%d\n", *port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server.stop_and_wait();
  return 0;
}
