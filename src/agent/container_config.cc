// SPDX-License-Identifier: Apache-2.0
#include "agent/container_config.h"

#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "agent/plan.h"
#include "agent/resources.h"

namespace tetrarch::agent {
namespace {

runtime::Dns parse_resolv_conf(const std::string& text) {
  runtime::Dns out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    words >> keyword;
    for (std::string word; words >> word;) {
      if (keyword == "nameserver") {
        out.servers.push_back(word);
      } else if (keyword == "search") {
        out.searches.push_back(word);
      } else if (keyword == "options") {
        out.options.push_back(word);
      }
    }
  }
  return out;
}

void remove_repeated(std::vector<std::string>& list) {
  auto end = list.begin();
  for (auto at = list.begin(); at != list.end(); ++at) {
    if (std::find(list.begin(), end, *at) == end) {
      std::swap(*end++, *at);
    }
  }
  list.erase(end, list.end());
}

/// Adds; an option that is there already is replaced.
void add_dns_config(runtime::Dns& dns, views::PodDNSConfigView config) {
  for (const auto server : config.nameservers()) {
    dns.servers.emplace_back(server);
  }
  for (const auto search : config.searches()) {
    dns.searches.emplace_back(search);
  }
  for (const auto option : config.options()) {
    auto text = option.value().empty() ? std::string(option.name())
                                       : fmt::format("{}:{}", option.name(), option.value());
    const auto same = std::find_if(dns.options.begin(), dns.options.end(), [&](const auto& known) {
      return std::string_view(known).substr(0, known.find(':')) == option.name();
    });
    if (same == dns.options.end()) {
      dns.options.push_back(std::move(text));
    } else {
      *same = std::move(text);
    }
  }
  // Source: Kubernetes documentation, "Pod's DNS Config": duplicates are removed.
  remove_repeated(dns.servers);
  remove_repeated(dns.searches);
}

runtime::Namespaces namespaces_of(views::PodView pod) {
  const auto spec = pod.spec();
  return {spec.host_network(), spec.host_pid(), spec.host_ipc(), spec.share_process_namespace()};
}

bool is_any_privileged(views::PodView pod) {
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (const auto container : pod.spec().view()[list].elements()) {
      if (container["securityContext"]["privileged"].boolean()) {
        return true;
      }
    }
  }
  return false;
}

/// The container's own setting, else the pod's.
object::View setting(views::PodView pod, views::ContainerView container, std::string_view name) {
  const auto own = container.security_context().view()[name];
  return own ? own : pod.spec().security_context().view()[name];
}

void set_seccomp(runtime::SecurityContext& out, object::View profile) {
  const auto type = profile["type"].string();
  if (type == "RuntimeDefault") {
    out.seccomp = runtime::Seccomp::runtime_default;
  } else if (type == "Localhost") {
    out.seccomp = runtime::Seccomp::localhost;
    out.seccomp_profile = std::string(profile["localhostProfile"].string());
  }
}

std::vector<std::int64_t> groups_of(views::PodView pod) {
  std::vector<std::int64_t> out;
  const auto context = pod.spec().security_context();
  if (context.has_fs_group()) {
    out.push_back(context.fs_group());
  }
  for (const auto group : context.supplemental_groups()) {
    out.push_back(group);
  }
  return out;
}

Status check_non_root(const runtime::SecurityContext& security, const ImageUser& image) {
  // Source: kubelet's messages for runAsNonRoot, which users search for.
  if (security.user) {
    if (*security.user == 0) {
      return Error{Code::invalid, "container's runAsUser breaks non-root policy"};
    }
    return ok();
  }
  if (image.id && *image.id != 0) {
    return ok();
  }
  if (!image.id && !image.name.empty()) {
    return Error{
        Code::invalid,
        fmt::format("container has runAsNonRoot and image has non-numeric user ({}), cannot "
                    "verify user is non-root",
                    image.name)};
  }
  return Error{Code::invalid, "container has runAsNonRoot and image will run as root"};
}

/// Empty where the pod is in none.
std::string domain_of(views::PodView pod, const NodeSettings& node) {
  const auto subdomain = pod.spec().subdomain();
  return subdomain.empty()
             ? std::string()
             : fmt::format(
                   "{}.{}.svc.{}", subdomain, pod.metadata().namespace_(), node.cluster_domain);
}

/// Source: Kubernetes pkg/kubelet/kuberuntime, generatePodSandboxConfig (1.35): of what runs beside
/// the pod's containers, too.
std::vector<runtime::PortMapping> host_ports_of(views::PodView pod) {
  std::vector<runtime::PortMapping> out;
  const auto add = [&out](views::ContainerView container) {
    for (const auto port : container.ports()) {
      if (port.host_port() > 0) {
        out.push_back({std::string(port.protocol()),
                       static_cast<int>(port.container_port()),
                       static_cast<int>(port.host_port()),
                       std::string(port.host_ip())});
      }
    }
  };
  for (const auto container : pod.spec().init_containers()) {
    if (container.restart_policy() == "Always") {
      add(container);
    }
  }
  for (const auto container : pod.spec().containers()) {
    add(container);
  }
  return out;
}

}  // namespace

std::string log_directory(const NodeSettings& node, views::PodView pod) {
  const auto metadata = pod.metadata();
  return fmt::format(
      "{}/{}_{}_{}", node.logs_directory, metadata.namespace_(), metadata.name(), metadata.uid());
}

std::string log_path(std::string_view container, std::uint32_t attempt) {
  return fmt::format("{}/{}.log", container, attempt);
}

std::string host_name(views::PodView pod) {
  const auto given = pod.spec().hostname();
  // Source: hostname(7): at most 63 characters here, as a label.
  std::string name(given.empty() ? pod.metadata().name() : given);
  if (name.size() > 63) {
    name.resize(63);
    while (!name.empty() && (name.back() == '-' || name.back() == '.')) {
      name.pop_back();
    }
  }
  return name;
}

Result<std::string> kernel_name(views::PodView pod, const NodeSettings& node) {
  constexpr std::size_t kLongest = 64;  // Source: uname(2), __NEW_UTS_LEN
  auto name = host_name(pod);
  const auto domain = domain_of(pod, node);
  const bool is_whole = pod.spec().set_hostname_as_fqdn() && !domain.empty();
  if (!is_whole || pod.spec().host_network()) {
    return name;
  }
  name += "." + domain;
  if (name.size() > kLongest) {
    // Source: Kubernetes pkg/kubelet/util, GetNodenameForKernel (1.35).
    return Error{
        Code::invalid,
        fmt::format("failed to construct FQDN from pod hostname and cluster domain, FQDN {} is too "
                    "long ({} characters is the max, {} characters requested)",
                    name,
                    kLongest,
                    name.size())};
  }
  return name;
}

runtime::Dns dns_of(views::PodView pod, const NodeSettings& node) {
  const auto policy = pod.spec().dns_policy();
  const bool is_host_network = pod.spec().host_network();
  runtime::Dns dns;
  if (policy == "ClusterFirstWithHostNet" ||
      ((policy.empty() || policy == "ClusterFirst") && !is_host_network)) {
    const auto ns = pod.metadata().namespace_();
    dns.servers = {node.dns_address};
    dns.searches = {fmt::format("{}.svc.{}", ns, node.cluster_domain),
                    "svc." + node.cluster_domain,
                    node.cluster_domain};
    for (const auto& search : parse_resolv_conf(node.host_resolv_conf).searches) {
      dns.searches.push_back(search);
    }
    dns.options = {"ndots:5"};
  } else if (policy != "None") {
    dns = parse_resolv_conf(node.host_resolv_conf);
  }
  add_dns_config(dns, pod.spec().dns_config());
  return dns;
}

std::string etc_hosts(views::PodView pod, const PodFacts& facts, const NodeSettings& node) {
  // Source: kubelet's first line, by which its users tell whose file it is.
  std::string out =
      "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost "
      "ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\n"
      "fe00::2\tip6-allrouters\n";
  const auto name = host_name(pod);
  const auto domain = domain_of(pod, node);
  for (const auto& ip : facts.pod_ips) {
    if (!domain.empty()) {
      out += fmt::format("{}\t{}.{}\t{}\n", ip, name, domain, name);
    } else {
      out += fmt::format("{}\t{}\n", ip, name);
    }
  }
  for (const auto alias : pod.spec().host_aliases()) {
    out += std::string(alias.ip());
    for (const auto host : alias.hostnames()) {
      out += "\t" + std::string(host);
    }
    out += "\n";
  }
  return out;
}

runtime::SandboxConfig sandbox_config(views::PodView pod,
                                      const NodeSettings& node,
                                      std::uint32_t attempt) {
  const auto metadata = pod.metadata();
  runtime::SandboxConfig out;
  out.name = std::string(metadata.name());
  out.ns = std::string(metadata.namespace_());
  out.uid = std::string(metadata.uid());
  out.attempt = attempt;
  const auto name = kernel_name(pod, node);
  out.hostname = name.ok() ? *name : host_name(pod);
  out.log_directory = log_directory(node, pod);
  out.dns = dns_of(pod, node);
  out.labels = {{runtime::kLabelPodName, out.name},
                {runtime::kLabelPodNamespace, out.ns},
                {runtime::kLabelPodUid, out.uid}};
  out.cgroup_parent = pod_cgroup_parent(node.instance, qos_of(pod), out.uid);
  out.namespaces = namespaces_of(pod);
  if (!out.namespaces.is_host_network) {
    out.ports = host_ports_of(pod);
  }
  const auto context = pod.spec().security_context();
  for (const auto sysctl : context.sysctls()) {
    out.sysctls[std::string(sysctl.name())] = std::string(sysctl.value());
  }
  out.security.is_privileged = is_any_privileged(pod);
  out.security.supplemental_groups = groups_of(pod);
  return out;
}

Result<runtime::SecurityContext> security_of(views::PodView pod,
                                             views::ContainerView container,
                                             const ImageUser& image) {
  runtime::SecurityContext out;
  const auto own = container.security_context();
  out.is_privileged = own.privileged();
  out.is_root_read_only = own.read_only_root_filesystem();
  out.no_new_privileges = own.has_allow_privilege_escalation() && !own.allow_privilege_escalation();
  if (const auto user = setting(pod, container, "runAsUser")) {
    out.user = user.integer();
  }
  if (const auto group = setting(pod, container, "runAsGroup")) {
    out.group = group.integer();
    if (!out.user) {
      out.user = image.id;
    }
  }
  out.supplemental_groups = groups_of(pod);
  for (const auto name : own.capabilities().add()) {
    out.add_capabilities.emplace_back(name);
  }
  for (const auto name : own.capabilities().drop()) {
    out.drop_capabilities.emplace_back(name);
  }
  if (!out.is_privileged) {
    set_seccomp(out, setting(pod, container, "seccompProfile"));
  }
  if (setting(pod, container, "runAsNonRoot").boolean()) {
    TRY_STATUS(check_non_root(out, image));
  }
  return out;
}

runtime::ContainerConfig container_config(views::PodView pod,
                                          views::ContainerView container,
                                          const NodeSettings& node,
                                          std::uint32_t attempt,
                                          const Environment& environment) {
  const auto lookup = [&environment](std::string_view name) -> std::optional<std::string> {
    for (const auto& [key, value] : environment) {
      if (key == name) {
        return value;
      }
    }
    return std::nullopt;
  };
  runtime::ContainerConfig out;
  out.name = std::string(container.name());
  out.attempt = attempt;
  for (const auto word : container.command()) {
    out.command.push_back(expand(word, lookup));
  }
  for (const auto word : container.args()) {
    out.args.push_back(expand(word, lookup));
  }
  out.working_directory = std::string(container.working_dir());
  out.environment = environment;
  out.labels = {{runtime::kLabelPodName, std::string(pod.metadata().name())},
                {runtime::kLabelPodNamespace, std::string(pod.metadata().namespace_())},
                {runtime::kLabelPodUid, std::string(pod.metadata().uid())},
                {runtime::kLabelContainerName, out.name}};
  out.annotations = {{runtime::kAnnotationSpecHash, spec_hash(container)}};
  out.log_path = log_path(out.name, attempt);
  out.has_stdin = container.stdin();
  out.is_stdin_once = container.stdin_once();
  out.has_tty = container.tty();
  out.resources = container_resources(container.resources(), qos_of(pod), node.memory_bytes);
  return out;
}

}  // namespace tetrarch::agent
