// SPDX-License-Identifier: Apache-2.0
#include "agent/node.h"

#include <algorithm>
#include <fstream>
#include <unistd.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "object/quantity.h"
#include "object/tree.h"
#include "object/writer.h"

namespace tetrarch::agent {
namespace {

using object::Quantity;
using object::Writer;

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string os_image() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("PRETTY_NAME=")) {
      auto value = line.substr(12);
      if (value.size() >= 2 && value.front() == '"') {
        value = value.substr(1, value.size() - 2);
      }
      return value;
    }
  }
  return "Linux";
}

std::int64_t memory_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  std::int64_t kib = 0;
  while (file >> word) {
    if (word == "MemTotal:" && file >> kib) {
      return kib * 1024;
    }
  }
  return 0;
}

/// The source address that packets to elsewhere would have: a connected datagram socket sends
/// nothing.
std::string route_address() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(53);
  ::inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);  // Source: RFC 5737, an address of documentation
  sockaddr_in mine = {};
  socklen_t size = sizeof(mine);
  char text[INET_ADDRSTRLEN] = "127.0.0.1";
  if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0 &&  // NOLINT
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&mine), &size) == 0) {            // NOLINT
    ::inet_ntop(AF_INET, &mine.sin_addr, text, sizeof(text));
  }
  if (fd >= 0) {
    ::close(fd);
  }
  return text;
}

std::string architecture_of(std::string_view machine) {
  if (machine == "x86_64") {
    return "amd64";
  }
  return machine == "aarch64" ? "arm64" : std::string(machine);
}

/// `known`: the node's capacity so far. What others have put there (example.com/device) stays, and
/// all of it can be allocated.
/// Source: Kubernetes documentation, "Advertise Extended Resources for a Node"; kubelet,
/// nodestatus/setters.go.
void write_amounts(Writer& writer,
                   std::int64_t cpu_milli,
                   std::int64_t memory,
                   std::pair<const Options&, const Machine&> of,
                   object::View known) {
  const auto& [options, machine] = of;
  writer.begin_object();
  writer.field("cpu", Quantity::of_milli(cpu_milli).text());
  writer.field("memory", fmt::format("{}Ki", memory / 1024));
  writer.field("ephemeral-storage", fmt::format("{}Ki", machine.disk_bytes / 1024));
  writer.field("hugepages-1Gi", "0").field("hugepages-2Mi", "0");
  writer.field("pods", std::to_string(options.pods_max));
  for (const auto [name, amount] : known.members()) {
    if (name.find('/') != std::string_view::npos) {
      writer.field(name, amount.string());
    }
  }
  writer.end_object();
}

struct Condition {
  std::string_view type;
  bool is_true;
  std::string_view reason;
  std::string message;
};

void write_condition(Writer& writer,
                     const Condition& condition,
                     object::View before,
                     TimePoint now) {
  const std::string_view value = condition.is_true ? "True" : "False";
  std::string since = format_time(now);
  for (const auto old : before["conditions"].elements()) {
    if (old["type"].string() == condition.type && old["status"].string() == value) {
      since = std::string(old["lastTransitionTime"].string(since));
    }
  }
  writer.begin_object().field("type", condition.type).field("status", value);
  writer.field("lastHeartbeatTime", format_time(now)).field("lastTransitionTime", since);
  writer.field("reason", condition.reason).field("message", condition.message).end_object();
}

struct PressureRow {
  Pressure pressure;
  std::string_view reason_on;
  std::string_view message_on;
  std::string_view reason_off;
  std::string_view message_off;
};

// Source: kubelet, nodestatus/setters.go.
constexpr auto kPressureRows = std::to_array<PressureRow>({
    {Pressure::memory,
     "KubeletHasInsufficientMemory",
     "kubelet has insufficient memory available",
     "KubeletHasSufficientMemory",
     "kubelet has sufficient memory available"},
    {Pressure::disk,
     "KubeletHasDiskPressure",
     "kubelet has disk pressure",
     "KubeletHasNoDiskPressure",
     "kubelet has no disk pressure"},
    {Pressure::pids,
     "KubeletHasInsufficientPID",
     "kubelet has insufficient PID available",
     "KubeletHasSufficientPID",
     "kubelet has sufficient PID available"},
});

/// What is left for pods of an amount: what must stay free is not theirs.
/// Source: Kubernetes documentation, "Reserve Compute Resources", eviction thresholds.
std::int64_t rest_of(std::int64_t amount,
                     std::int64_t capacity,
                     const std::vector<Threshold>& thresholds,
                     Signal signal) {
  for (const auto& threshold : thresholds) {
    amount -= threshold.signal == signal ? threshold.of(capacity) : 0;
  }
  return std::max<std::int64_t>(amount, 0);
}

void write_images(Writer& writer, const std::vector<runtime::Image>& images) {
  constexpr std::size_t kImagesMax = 50;  // Source: kubelet, nodeStatusMaxImages
  writer.key("images").begin_array();
  std::size_t count = 0;
  for (const auto& image : images) {
    if (++count > kImagesMax) {
      break;
    }
    writer.begin_object().key("names").begin_array();
    for (const auto& digest : image.digests) {
      writer.string(digest);
    }
    for (const auto& tag : image.tags) {
      writer.string(tag);
    }
    writer.end_array().field("sizeBytes", static_cast<std::int64_t>(image.size_bytes)).end_object();
  }
  writer.end_array();
}

void write_node_info(Writer& writer, const Machine& machine, const NodeState& state) {
  writer.key("nodeInfo").begin_object();
  writer.field("architecture", machine.architecture).field("bootID", machine.boot_id);
  writer.field("containerRuntimeVersion", state.runtime_version)
      .field("kernelVersion", machine.kernel);
  writer.field("kubeProxyVersion", "v1.35.0+tetrarch").field("kubeletVersion", "v1.35.0+tetrarch");
  writer.field("machineID", machine.machine_id).field("operatingSystem", "linux");
  writer.field("osImage", machine.os_image).field("systemUUID", machine.machine_id).end_object();
}

}  // namespace

Machine read_machine(const std::string& given_address, const std::string& data_directory) {
  Machine out;
  utsname name = {};
  ::uname(&name);
  out.cpus = std::max<std::int64_t>(::sysconf(_SC_NPROCESSORS_ONLN), 1);
  out.memory_bytes = memory_bytes();
  struct statvfs disk = {};
  if (::statvfs(data_directory.c_str(), &disk) == 0) {
    out.disk_bytes =
        static_cast<std::int64_t>(disk.f_blocks) * static_cast<std::int64_t>(disk.f_frsize);
  }
  out.architecture = architecture_of(name.machine);
  out.kernel = name.release;
  out.host_name = name.nodename;
  out.os_image = os_image();
  out.machine_id = first_line("/etc/machine-id");
  out.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  out.address = given_address.empty() ? route_address() : given_address;
  return out;
}

std::string node_document(const Options& options, const Machine& machine) {
  std::string out;
  Writer writer(out);
  writer.begin_object().field("kind", "Node").field("apiVersion", "v1");
  writer.key("metadata").begin_object().field("name", options.node_name);
  writer.key("labels").begin_object();
  // Source: Kubernetes documentation, "Well-Known Labels".
  writer.field("kubernetes.io/hostname", options.node_name).field("kubernetes.io/os", "linux");
  writer.field("kubernetes.io/arch", machine.architecture);
  for (const auto& [key, value] : options.labels) {
    if (key != "kubernetes.io/hostname" && key != "kubernetes.io/os" &&
        key != "kubernetes.io/arch") {
      writer.field(key, value);
    }
  }
  writer.end_object().end_object();
  writer.key("spec").begin_object();
  if (!options.taints.empty()) {
    writer.key("taints").begin_array();
    for (const auto& taint : options.taints) {
      writer.begin_object().field("key", taint.key);
      if (!taint.value.empty()) {
        writer.field("value", taint.value);
      }
      writer.field("effect", taint.effect).end_object();
    }
    writer.end_array();
  }
  writer.end_object().end_object();
  return out;
}

Room allocatable_of(const Options& options,
                    const Machine& machine,
                    const std::vector<Threshold>& thresholds) {
  return {std::max<std::int64_t>(machine.cpus * 1000 - options.reserved_cpu_millicores, 0),
          rest_of(machine.memory_bytes - options.reserved_memory_bytes,
                  machine.memory_bytes,
                  thresholds,
                  Signal::memory_available)};
}

std::string node_status(const Options& options,
                        const Machine& machine,
                        const NodeState& state,
                        object::View before,
                        TimePoint now) {
  std::string out;
  Writer writer(out);
  writer.begin_object();
  writer.key("capacity");
  write_amounts(
      writer, machine.cpus * 1000, machine.memory_bytes, {options, machine}, before["capacity"]);
  const auto left = allocatable_of(options, machine, state.thresholds);
  writer.key("allocatable");
  write_amounts(writer, left.cpu_milli, left.memory_bytes, {options, machine}, before["capacity"]);
  writer.key("conditions").begin_array();
  for (const auto& row : kPressureRows) {
    const bool is_on = state.pressures.contains(row.pressure);
    const Condition condition{to_string(row.pressure),
                              is_on,
                              is_on ? row.reason_on : row.reason_off,
                              std::string(is_on ? row.message_on : row.message_off)};
    write_condition(writer, condition, before, now);
  }
  const Condition ready{
      "Ready",
      state.is_ready,
      state.is_ready ? "KubeletReady" : "KubeletNotReady",
      state.is_ready ? "kubelet is posting ready status" : state.not_ready_reason};
  write_condition(writer, ready, before, now);
  if (state.systemd) {
    const Condition systemd{"Systemd",
                            state.systemd->is_there,
                            state.systemd->is_there ? "SystemdReady" : "NoSystemd",
                            state.systemd->message};
    write_condition(writer, systemd, before, now);
  }
  writer.end_array();
  writer.key("addresses").begin_array();
  writer.begin_object().field("type", "InternalIP").field("address", machine.address).end_object();
  writer.begin_object().field("type", "Hostname").field("address", options.node_name).end_object();
  writer.end_array();
  write_node_info(writer, machine, state);
  write_images(writer, state.images);
  writer.end_object();
  return out;
}

namespace {

/// However they are written: a server keeps "16777216Ki" as "16Gi".
bool has_same_amounts(object::View a, object::View b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (const auto [name, amount] : a.members()) {
    const auto ours = Quantity::from(amount);
    const auto theirs = Quantity::from(b[name]);
    if (!b[name].exists() || !ours.ok() || !theirs.ok() || *ours != *theirs) {
      return false;
    }
  }
  return true;
}

/// Whatever the order of members. A server keeps no empty list.
bool has_same_value(object::View a, object::View b) {
  if (a.size() == 0 || b.size() == 0) {
    return a.size() == b.size();
  }
  return a.same_as(b) || object::to_tree(a) == object::to_tree(b);
}

}  // namespace

DocumentPtr with_member(object::View object, std::string_view name, std::string_view json) {
  std::string out;
  Writer writer(out);
  writer.begin_object();
  for (const auto [key, value] : object.members()) {
    if (key != name) {
      writer.field(key, value);
    }
  }
  writer.key(name).raw(json).end_object();
  return Document::from_canonical(std::move(out));
}

bool is_same_status(object::View a, object::View b) {
  for (const char* member : {"capacity", "allocatable"}) {
    if (!has_same_amounts(a[member], b[member])) {
      return false;
    }
  }
  for (const char* member : {"addresses", "nodeInfo", "images"}) {
    if (!has_same_value(a[member], b[member])) {
      return false;
    }
  }
  for (const auto condition : a["conditions"].elements()) {
    bool is_found = false;
    for (const auto other : b["conditions"].elements()) {
      is_found = is_found || (other["type"].string() == condition["type"].string() &&
                              other["status"].string() == condition["status"].string() &&
                              other["message"].string() == condition["message"].string());
    }
    if (!is_found) {
      return false;
    }
  }
  return true;
}

}  // namespace tetrarch::agent
