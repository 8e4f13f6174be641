// SPDX-License-Identifier: Apache-2.0
#include "app/command.h"

#include <fmt/core.h>

#include "app/version.h"

namespace tetrarch::app {
namespace {

/// bash and zsh (through bashcompinit): words from the same table as the help.
void print_bash() {
  std::string names;
  for (const Command& command : commands()) {
    names += std::string(command.name) + " ";
  }
  std::string flags;
  for (const ConfigKey& key : config_keys()) {
    flags += "--" + std::string(key.name) + " ";
  }
  fmt::print(
      "_tetrarch() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}}\n"
      "  if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n"
      "  elif [[ $word == -* ]]; then COMPREPLY=($(compgen -W \"{}--purge --force\" -- "
      "\"$word\"))\n"
      "  elif [ \"$COMP_CWORD $3\" = \"2 store\" ]; then\n"
      "    COMPREPLY=($(compgen -W \"backup restore check\" -- \"$word\"))\n"
      "  elif [ \"$COMP_CWORD $3\" = \"2 node\" ]; then\n"
      "    COMPREPLY=($(compgen -W \"ls cordon uncordon drain leave rm\" -- \"$word\"))\n"
      "  elif [ \"$COMP_CWORD $3\" = \"2 token\" ]; then\n"
      "    COMPREPLY=($(compgen -W \"create ls rm\" -- \"$word\"))\n"
      "  else COMPREPLY=($(compgen -f -- \"$word\")); fi\n"
      "}}\n"
      "complete -F _tetrarch tetrarch\n",
      names,
      flags);
}

void print_fish() {
  for (const Command& command : commands()) {
    fmt::print(
        "complete -c tetrarch -n __fish_use_subcommand -a {} -d '{}'\n", command.name, command.doc);
  }
  fmt::print(
      "complete -c tetrarch -n '__fish_seen_subcommand_from store' -a 'backup restore check'\n"
      "complete -c tetrarch -n '__fish_seen_subcommand_from token' -a 'create ls rm'\n"
      "complete -c tetrarch -n '__fish_seen_subcommand_from node' "
      "-a 'ls cordon uncordon drain leave rm'\n");
  for (const ConfigKey& key : config_keys()) {
    fmt::print("complete -c tetrarch -l {} -r -d '{}'\n", key.name, key.doc);
  }
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"up", "", "server and agent in one process: a cluster on this machine", {"*"}, run_up},
      {"server", "", "only the control plane", {"*"}, run_server},
      {"agent", "", "only the agent; joins --server with --token", {"*"}, run_agent},
      {"down",
       "[--purge]",
       "end whatever runs from the data directory; --purge removes the data",
       {"data-dir"},
       run_down},
      {"status", "", "what runs where, healthy or not", {"data-dir"}, run_status},
      {"token",
       "create [--ttl 24h] [--role agent] | ls | rm ID",
       "tokens with which machines join; create prints the command to type there",
       {"data-dir"},
       run_token},
      {"node",
       "ls | cordon NAME | uncordon NAME | drain NAME [--timeout 5m] | leave [NAME] [--timeout 5m] "
       "[--force] | rm NAME [--force]",
       "the machines: keep work away, move it elsewhere, take this one or another out, forget one "
       "that is "
       "gone",
       {"data-dir"},
       run_node},
      {"rotate",
       "encryption|service-accounts",
       "a new key for Secrets at rest or for tokens; a running server takes it",
       {"data-dir"},
       run_rotate},
      {"store",
       "backup FILE|DIR | restore FILE [--force] | check [FILE]",
       "copy the store while it runs, bring it back, look whether it is whole",
       {"data-dir"},
       run_store},
      {"image",
       "push FILE.tar [NAME:TAG] | ls | rm NAME:TAG | load FILE.tar",
       "images of the cluster's own registry, for every machine; load: for this machine alone",
       {"data-dir"},
       run_image},
      {"bench",
       "[PART …] [--repeat N] [--agents N]",
       "measure this binary on this machine: create, list, watch, bind, backlog, start, memory, "
       "agents, run",
       {},
       run_bench},
      {"version", "", "version of this binary", {}, run_version},
      {"completion",
       "bash|zsh|fish",
       "shell completion; load with: source <(tetrarch completion bash)",
       {},
       run_completion},
  };
  return table;
}

int fail(std::string_view message) {
  fmt::print(stderr, "tetrarch: {}\n", message);
  return 1;
}

int run_version(const Config&, const std::vector<std::string>&) {
  fmt::print("tetrarch {} (Kubernetes API {})\n", kVersion, kKubernetesVersion);
  return 0;
}

int run_completion(const Config&, const std::vector<std::string>& rest) {
  const std::string shell = rest.empty() ? "bash" : rest[0];
  if (shell == "fish") {
    print_fish();
  } else if (shell == "zsh") {
    fmt::print("autoload -U +X bashcompinit && bashcompinit\n");
    print_bash();
  } else if (shell == "bash") {
    print_bash();
  } else {
    return fail(fmt::format("completion: no shell '{}' (there are bash, zsh, fish)", shell));
  }
  return 0;
}

}  // namespace tetrarch::app
