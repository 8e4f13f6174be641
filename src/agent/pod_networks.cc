// SPDX-License-Identifier: Apache-2.0
#include "agent/pod_networks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <sys/mount.h>

#include "object/document.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

DocumentPtr read_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const auto parsed = Document::parse(text.str());
  return parsed.ok() ? *parsed : nullptr;
}

/// Only what CNI's callers name so, never a namespace that a user made.
bool is_of_cni(const fs::path& path) {
  const auto place = path.parent_path();
  return (place == "/run/netns" || place == "/var/run/netns") &&
         path.filename().string().starts_with("cni-");
}

void add_namespace(PodNetworks& out, std::string_view text) {
  const fs::path path = fs::path("/run/netns") / fs::path(text).filename();
  if (is_of_cni(fs::path(text)) &&
      std::find(out.namespaces.begin(), out.namespaces.end(), path) == out.namespaces.end()) {
    out.namespaces.push_back(path);
  }
}

/// The OCI specifications of what runs. Source: containerd 1.6, runtime/v2: <state>/
/// io.containerd.runtime.v2.task/<namespace>/<id>/config.json.
void look_at_bundles(PodNetworks& out, const fs::path& state) {
  std::error_code error;
  const auto bundles = state / "io.containerd.runtime.v2.task" / "k8s.io";
  for (const auto& bundle : fs::directory_iterator(bundles, error)) {
    const auto spec = read_json(bundle.path() / "config.json");
    if (spec == nullptr) {
      continue;
    }
    for (const auto entry : spec->root().find("linux.namespaces").elements()) {
      if (entry["type"].string() == "network") {
        add_namespace(out, entry["path"].string());
      }
    }
  }
}

/// The results that CNI's library keeps, by the name of the network.
/// Source: containernetworking/cni, libcni/api.go:
/// <cache>/results/<network>-<container>-<interface>.
void look_at_results(PodNetworks& out, const fs::path& results, const std::string& network) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(results, error)) {
    if (!entry.path().filename().string().starts_with(network + "-")) {
      continue;
    }
    out.notes.push_back(entry.path());
    const auto result = read_json(entry.path());
    if (result == nullptr) {
      continue;
    }
    for (const auto made : result->root().find("result.interfaces").elements()) {
      add_namespace(out, made["sandbox"].string());
    }
  }
}

}  // namespace

PodNetworks find_pod_networks(const Places& places) {
  PodNetworks out;
  out.leases = places.network / "leases";
  look_at_bundles(out, places.run / "state");
  std::error_code error;
  for (const auto& config : fs::directory_iterator(places.network / "cni", error)) {
    const auto parsed = read_json(config.path());
    const auto name = parsed == nullptr ? std::string_view() : parsed->root()["name"].string();
    if (!name.empty()) {
      look_at_results(out, "/var/lib/cni/results", std::string(name));
    }
  }
  return out;
}

Status remove_pod_networks(const PodNetworks& networks) {
  Status outcome = ok();
  std::error_code error;
  for (const auto& path : networks.namespaces) {
    ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    fs::remove(path, error);
    if (error) {
      outcome = Error{Code::unavailable,
                      fmt::format("cannot remove {}: {}", path.string(), error.message())};
    }
  }
  for (const auto& path : networks.notes) {
    fs::remove(path, error);
  }
  fs::remove_all(networks.leases, error);
  return outcome;
}

}  // namespace tetrarch::agent
