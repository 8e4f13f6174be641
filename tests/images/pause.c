/* SPDX-License-Identifier: Apache-2.0
 * pause: the process that holds a pod's namespaces. Ends at SIGTERM or SIGINT and, where it is process 1 of a shared
 * PID namespace, reaps what its children leave behind. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal_number) {
  (void)signal_number;
  _exit(0);
}

static void reap(int signal_number) {
  (void)signal_number;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

int main(void) {
  struct sigaction ending = {.sa_handler = end};
  struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
  if (sigaction(SIGTERM, &ending, NULL) != 0 || sigaction(SIGINT, &ending, NULL) != 0 ||
      sigaction(SIGCHLD, &reaping, NULL) != 0) {
    return EXIT_FAILURE;
  }
  for (;;) {
    pause();
  }
}
