// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/containerd_config.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "agent/runtime/toml.h"

namespace tetrarch::agent::runtime {

std::string containerd_config(const ContainerdSettings& settings) {
  std::string out = "version = 2\n";
  out += fmt::format("root = {}\nstate = {}\n",
                     toml_string(settings.root.string()),
                     toml_string(settings.state.string()));
  // What needs kernel modules or daemons that nothing here uses only slows the start and fills the
  // log.
  out +=
      "disabled_plugins = [\"io.containerd.snapshotter.v1.aufs\", "
      "\"io.containerd.snapshotter.v1.btrfs\", "
      "\"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.zfs\", "
      "\"io.containerd.internal.v1.tracing\", \"io.containerd.tracing.processor.v1.otlp\"]\n";
  out += fmt::format("[grpc]\n  address = {}\n", toml_string(settings.socket));
  out += "  max_recv_message_size = 67108864\n  max_send_message_size = 67108864\n";
  out += "[debug]\n  level = \"warn\"\n";
  out += "[plugins.\"io.containerd.grpc.v1.cri\"]\n";
  out += fmt::format("  sandbox_image = {}\n", toml_string(settings.pause_image));
  out += fmt::format("  restrict_oom_score_adj = {}\n",
                     settings.may_lower_oom_score ? "false" : "true");
  out += "  stream_server_address = \"127.0.0.1\"\n  stream_server_port = \"0\"\n";
  out += "  tolerate_missing_hugetlb_controller = true\n";
  out += "  [plugins.\"io.containerd.grpc.v1.cri\".cni]\n";
  out += fmt::format("    bin_dir = {}\n    conf_dir = {}\n    max_conf_num = 1\n",
                     toml_string(settings.cni_bin_directory.string()),
                     toml_string(settings.cni_conf_directory.string()));
  out += "  [plugins.\"io.containerd.grpc.v1.cri\".containerd]\n";
  out += "    snapshotter = \"overlayfs\"\n    default_runtime_name = \"runc\"\n";
  out += "    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n";
  out += "      runtime_type = \"io.containerd.runc.v2\"\n";
  out += "      [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n";
  out += "        SystemdCgroup = false\n";
  out += "  [plugins.\"io.containerd.grpc.v1.cri\".registry]\n";
  out += fmt::format("    config_path = {}\n", toml_string(settings.registry_directory.string()));
  return out;
}

bool may_lower_oom_score(std::string_view proc_status) {
  constexpr std::string_view kField = "CapEff:\t";
  constexpr int kCapSysResource = 24;  // Source: capabilities(7), linux/capability.h.
  const auto at = proc_status.find(kField);
  if (at == std::string_view::npos) {
    return false;
  }
  std::uint64_t set = 0;
  const auto digits = proc_status.substr(at + kField.size(), 16);
  std::from_chars(digits.data(), digits.data() + digits.size(), set, 16);
  return ((set >> kCapSysResource) & 1U) != 0;
}

}  // namespace tetrarch::agent::runtime
