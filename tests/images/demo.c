/* SPDX-License-Identifier: Apache-2.0
 * demo: a web server for examples and tests; static, one file, no network needed to build it.
 *   GET /          "Hello from <host name>\n" (GREETING replaces "Hello")
 *   GET /healthz   200 "ok\n"; 503 while the file /tmp/unhealthy exists
 *   GET /peer      the address that the request came from
 *   GET /env/NAME  the value of an environment variable
 *   GET /file/PATH the content of a file
 *   GET /exit/N    ends the process with that code
 * A datagram to the same port is answered with "<host name> <address and port it came from> <its text>".
 * PORT (default 8080) says where; DELAY_S waits before listening. SIGTERM: stops listening, ends with code 0.
 * `demo client <address> <port> [path]` is the other side; exits 0 where the answer is 200. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t is_ending = 0;

static void on_term(int signal_number) {
  (void)signal_number;
  is_ending = 1;
}

static int write_all(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, bytes, size);
    if (n <= 0) {
      return -1;
    }
    bytes += n;
    size -= (size_t)n;
  }
  return 0;
}

static void answer(int fd, int status, const char* reason, const char* body, size_t size) {
  char head[256];
  const int n = snprintf(head,
                         sizeof(head),
                         "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                         "Connection: close\r\n\r\n",
                         status,
                         reason,
                         size);
  if (write_all(fd, head, (size_t)n) == 0) {
    write_all(fd, body, size);
  }
}

static void answer_text(int fd, int status, const char* reason, const char* body) {
  answer(fd, status, reason, body, strlen(body));
}

static void answer_file(int fd, const char* path) {
  static char content[1 << 16];
  const int file = open(path, O_RDONLY);
  if (file < 0) {
    answer_text(fd, 404, "Not Found", "no such file\n");
    return;
  }
  const ssize_t n = read(file, content, sizeof(content));
  close(file);
  answer(fd, 200, "OK", content, n > 0 ? (size_t)n : 0);
}

/* Addresses of IPv4 come mapped into IPv6 where the socket is one of both. */
static const char* peer_address(const struct sockaddr_storage* from, char* text, socklen_t size) {
  if (from->ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &((const struct sockaddr_in6*)from)->sin6_addr, text, size);
    return strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
  }
  inet_ntop(AF_INET, &((const struct sockaddr_in*)from)->sin_addr, text, size);
  return text;
}

static void answer_peer(int fd) {
  struct sockaddr_storage from;
  socklen_t size = sizeof(from);
  char text[INET6_ADDRSTRLEN];
  char body[INET6_ADDRSTRLEN + 1];
  if (getpeername(fd, (struct sockaddr*)&from, &size) == 0) {
    snprintf(body, sizeof(body), "%s\n", peer_address(&from, text, sizeof(text)));
    answer_text(fd, 200, "OK", body);
  }
}

static void answer_datagram(int fd) {
  struct sockaddr_storage from;
  socklen_t size = sizeof(from);
  char text[INET6_ADDRSTRLEN];
  char asked[512];
  char host[256] = "?";
  char body[1024];
  const ssize_t got = recvfrom(fd, asked, sizeof(asked) - 1, 0, (struct sockaddr*)&from, &size);
  if (got < 0) {
    return;
  }
  asked[got] = '\0';
  gethostname(host, sizeof(host) - 1);
  /* The port is at the same place in both kinds of address. */
  const int n = snprintf(body,
                         sizeof(body),
                         "%s %s:%d %s",
                         host,
                         peer_address(&from, text, sizeof(text)),
                         ntohs(((const struct sockaddr_in*)&from)->sin_port),
                         asked);
  sendto(fd, body, (size_t)n, 0, (const struct sockaddr*)&from, size);
}

static void serve(int fd, const char* path) {
  char body[1024];
  if (strcmp(path, "/healthz") == 0) {
    const int is_bad = access("/tmp/unhealthy", F_OK) == 0;
    answer_text(fd, is_bad ? 503 : 200, is_bad ? "Service Unavailable" : "OK", is_bad ? "unhealthy\n" : "ok\n");
  } else if (strcmp(path, "/peer") == 0) {
    answer_peer(fd);
  } else if (strncmp(path, "/env/", 5) == 0) {
    const char* value = getenv(path + 5);
    snprintf(body, sizeof(body), "%s\n", value != NULL ? value : "");
    answer_text(fd, value != NULL ? 200 : 404, value != NULL ? "OK" : "Not Found", body);
  } else if (strncmp(path, "/file/", 6) == 0) {
    answer_file(fd, path + 5);
  } else if (strncmp(path, "/exit/", 6) == 0) {
    answer_text(fd, 200, "OK", "ending\n");
    close(fd);
    exit(atoi(path + 6));
  } else {
    char host[256] = "?";
    gethostname(host, sizeof(host) - 1);
    const char* greeting = getenv("GREETING");
    snprintf(body, sizeof(body), "%s from %s\n", greeting != NULL ? greeting : "Hello", host);
    answer_text(fd, 200, "OK", body);
  }
}

static void handle(int fd) {
  const struct timeval limit = {.tv_sec = 5};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  char request[8192];
  size_t size = 0;
  while (size < sizeof(request) - 1) {
    const ssize_t n = read(fd, request + size, sizeof(request) - 1 - size);
    if (n <= 0) {
      break;
    }
    size += (size_t)n;
    request[size] = '\0';
    if (strstr(request, "\r\n\r\n") != NULL) {
      char method[16];
      char path[1024];
      if (sscanf(request, "%15s %1023s", method, path) == 2) {
        printf("%s %s\n", method, path);
        fflush(stdout);
        serve(fd, path);
      }
      break;
    }
  }
  shutdown(fd, SHUT_WR);
  close(fd);
}

static int client(const char* address, const char* port, const char* path) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  char buffer[65536];
  const int n = snprintf(buffer, sizeof(buffer), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address);
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || fd < 0 ||
      connect(fd, (struct sockaddr*)&to, sizeof(to)) != 0 || write_all(fd, buffer, (size_t)n) != 0) {
    perror("client");
    return 2;
  }
  size_t size = 0;
  ssize_t got = 0;
  while (size < sizeof(buffer) - 1 && (got = read(fd, buffer + size, sizeof(buffer) - 1 - size)) > 0) {
    size += (size_t)got;
  }
  buffer[size] = '\0';
  const char* body = strstr(buffer, "\r\n\r\n");
  fputs(body != NULL ? body + 4 : buffer, stdout);
  return strncmp(buffer, "HTTP/1.1 200", 12) == 0 ? 0 : 1;
}

/* A socket of one kind on the port, for IPv6 and IPv4 where the pod has both; -1 with errno. */
static int bind_to(int family, int kind, int port) {
  const int fd = socket(family, kind, 0);
  const int on = 1;
  const int off = 0;
  struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
  struct sockaddr_in at4 = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  const int is_6 = family == AF_INET6;
  if (fd < 0) {
    return -1;
  }
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (is_6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(fd, is_6 ? (struct sockaddr*)&at6 : (struct sockaddr*)&at4, is_6 ? sizeof(at6) : sizeof(at4)) == 0 &&
      (kind == SOCK_DGRAM || listen(fd, 128) == 0)) {
    return fd;
  }
  close(fd);
  return -1;
}

static int listen_on(int kind, int port) {
  int fd = bind_to(AF_INET6, kind, port);
  if (fd < 0) {
    fd = bind_to(AF_INET, kind, port); /* A pod without IPv6. */
  }
  if (fd < 0) {
    perror("listen");
    exit(1);
  }
  return fd;
}

int main(int argc, char** argv) {
  if (argc >= 4 && strcmp(argv[1], "client") == 0) {
    return client(argv[2], argv[3], argc > 4 ? argv[4] : "/");
  }
  struct sigaction ending = {.sa_handler = on_term};
  struct sigaction ignoring = {.sa_handler = SIG_IGN};
  sigaction(SIGTERM, &ending, NULL);
  sigaction(SIGINT, &ending, NULL);
  sigaction(SIGPIPE, &ignoring, NULL);
  const char* delay = getenv("DELAY_S");
  for (unsigned left = delay != NULL ? (unsigned)atoi(delay) : 0; left > 0 && !is_ending; --left) {
    sleep(1);
  }
  const char* port = getenv("PORT");
  const int listener = listen_on(SOCK_STREAM, port != NULL ? atoi(port) : 8080);
  const int datagrams = listen_on(SOCK_DGRAM, port != NULL ? atoi(port) : 8080);
  printf("listening on %s\n", port != NULL ? port : "8080");
  fflush(stdout);
  while (!is_ending) {
    struct pollfd wait[] = {{.fd = listener, .events = POLLIN}, {.fd = datagrams, .events = POLLIN}};
    if (poll(wait, 2, 1000) <= 0) {
      continue;
    }
    if (wait[1].revents != 0) {
      answer_datagram(datagrams);
    }
    if (wait[0].revents == 0) {
      continue;
    }
    const int fd = accept(listener, NULL, NULL);
    if (fd >= 0) {
      handle(fd);
    }
  }
  printf("ending\n");
  return 0;
}
