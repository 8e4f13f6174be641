// SPDX-License-Identifier: Apache-2.0
#include "agent/env.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/encoding.h"
#include "object/quantity.h"

namespace tetrarch::agent {
namespace {

/// Later settings of a name replace earlier ones, in place.
class EnvironmentBuilder {
 public:
  void set(std::string name, std::string value) {
    const auto [at, is_new] = places_.try_emplace(name, list_.size());
    if (is_new) {
      list_.emplace_back(std::move(name), std::move(value));
    } else {
      list_[at->second].second = std::move(value);
    }
  }

  std::optional<std::string> get(std::string_view name) const {
    const auto at = places_.find(name);
    return at == places_.end() ? std::nullopt : std::optional(list_[at->second].second);
  }

  Environment take() { return std::move(list_); }

 private:
  Environment list_;
  std::map<std::string, std::size_t, std::less<>> places_;
};

/// A member of data, or of binaryData (secrets: data), decoded.
std::optional<std::string> data_value(const Document& document,
                                      std::string_view key,
                                      bool is_secret) {
  const auto root = document.root();
  if (const auto plain = root["data"][key]; plain.exists()) {
    if (!is_secret) {
      return std::string(plain.string());
    }
    auto decoded = base64_decode(plain.string());
    return decoded.ok() ? std::optional(std::move(*decoded)) : std::nullopt;
  }
  if (const auto binary = root["binaryData"][key]; binary.exists()) {
    auto decoded = base64_decode(binary.string());
    return decoded.ok() ? std::optional(std::move(*decoded)) : std::nullopt;
  }
  return std::nullopt;
}

std::string upper_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

/// Source: Kubernetes documentation, "Service", environment variables; the names that Docker links
/// had.
void add_service(EnvironmentBuilder& out, const Document& document) {
  const views::ServiceView service(document.root());
  const auto ip = service.spec().cluster_ip();
  if (ip.empty() || ip == "None" || service.spec().ports().empty()) {
    return;
  }
  const auto prefix = upper_name(service.metadata().name());
  const auto first = service.spec().ports().at(0);
  out.set(prefix + "_SERVICE_HOST", std::string(ip));
  out.set(prefix + "_SERVICE_PORT", std::to_string(first.port()));
  for (const auto port : service.spec().ports()) {
    if (!port.name().empty()) {
      out.set(fmt::format("{}_SERVICE_PORT_{}", prefix, upper_name(port.name())),
              std::to_string(port.port()));
    }
  }
  const auto lower = [](std::string_view protocol) {
    std::string text(protocol.empty() ? "TCP" : protocol);
    std::transform(
        text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  out.set(prefix + "_PORT", fmt::format("{}://{}:{}", lower(first.protocol()), ip, first.port()));
  for (const auto port : service.spec().ports()) {
    const auto protocol = lower(port.protocol());
    const auto base = fmt::format("{}_PORT_{}_{}", prefix, port.port(), upper_name(protocol));
    out.set(base, fmt::format("{}://{}:{}", protocol, ip, port.port()));
    out.set(base + "_PROTO", protocol);
    out.set(base + "_PORT", std::to_string(port.port()));
    out.set(base + "_ADDR", std::string(ip));
  }
}

void add_services(EnvironmentBuilder& out, views::PodView pod, const Sources& sources) {
  const bool links = !pod.spec().has_enable_service_links() || pod.spec().enable_service_links();
  for (const auto& document : sources.services) {
    const auto metadata = document->root()["metadata"];
    const bool is_api =
        metadata["name"].string() == "kubernetes" && metadata["namespace"].string() == "default";
    if (is_api || (links && metadata["namespace"].string() == pod.metadata().namespace_())) {
      add_service(out, *document);
    }
  }
}

Status add_all(EnvironmentBuilder& out,
               const Document& document,
               std::string_view prefix,
               bool is_secret) {
  for (const auto [key, value] : document.root()["data"].members()) {
    if (auto text = data_value(document, key, is_secret)) {
      out.set(std::string(prefix) + std::string(key), std::move(*text));
    }
  }
  return ok();
}

Status add_env_from(EnvironmentBuilder& out,
                    views::PodView pod,
                    views::EnvFromSourceView from,
                    const Sources& sources) {
  const auto ns = pod.metadata().namespace_();
  const bool is_secret = from.has_secret_ref();
  const auto name = is_secret ? from.secret_ref().name() : from.config_map_ref().name();
  const bool is_optional =
      is_secret ? from.secret_ref().optional() : from.config_map_ref().optional();
  const auto document = is_secret ? sources.secret(ns, name) : sources.config_map(ns, name);
  if (document == nullptr) {
    if (is_optional) {
      return ok();
    }
    return Error{Code::not_found,
                 fmt::format("{} \"{}\" not found", is_secret ? "secret" : "configmap", name)};
  }
  return add_all(out, *document, from.prefix(), is_secret);
}

struct KeyReference {
  std::string_view name;
  std::string_view key;
  bool is_optional;
  bool is_secret;
};

/// Empty where optional and absent.
Result<std::optional<std::string>> key_value(views::PodView pod,
                                             const KeyReference& at,
                                             const Sources& sources) {
  const auto ns = pod.metadata().namespace_();
  const auto document =
      at.is_secret ? sources.secret(ns, at.name) : sources.config_map(ns, at.name);
  if (document == nullptr) {
    if (at.is_optional) {
      return std::optional<std::string>();
    }
    return Error{
        Code::not_found,
        fmt::format("{} \"{}\" not found", at.is_secret ? "secret" : "configmap", at.name)};
  }
  auto value = data_value(*document, at.key, at.is_secret);
  if (!value && !at.is_optional) {
    return Error{Code::not_found,
                 fmt::format("couldn't find key {} in {} {}/{}",
                             at.key,
                             at.is_secret ? "Secret" : "ConfigMap",
                             ns,
                             at.name)};
  }
  return value;
}

Result<std::optional<std::string>> referred_value(views::PodView pod,
                                                  views::ContainerView container,
                                                  views::EnvVarSourceView from,
                                                  const Sources& sources,
                                                  const PodFacts& facts) {
  if (from.has_field_ref()) {
    TRY(auto value, field_value(pod, facts, from.field_ref().field_path()));
    return std::optional(std::move(value));
  }
  if (from.has_resource_field_ref()) {
    TRY(auto value, resource_value(pod, facts, from.resource_field_ref(), container.name()));
    return std::optional(std::move(value));
  }
  if (from.has_secret_key_ref()) {
    const auto ref = from.secret_key_ref();
    return key_value(pod, KeyReference{ref.name(), ref.key(), ref.optional(), true}, sources);
  }
  if (from.view()["fileKeyRef"]) {
    return Error{Code::unimplemented, "fileKeyRef is not supported here"};
  }
  const auto ref = from.config_map_key_ref();
  return key_value(pod, KeyReference{ref.name(), ref.key(), ref.optional(), false}, sources);
}

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& item : list) {
    out += (out.empty() ? "" : ",") + item;
  }
  return out;
}

/// All entries of a map, as `key="escaped"`, a newline between two. Source: kubelet,
/// pkg/fieldpath, FormatMap (1.35).
std::string printed_map(object::View map) {
  std::vector<std::string> lines;
  for (const auto [key, value] : map.members()) {
    lines.push_back(fmt::format("{}={}", key, value.raw()));
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace

std::string expand(std::string_view text,
                   const std::function<std::optional<std::string>(std::string_view)>& lookup) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[i + 1];
    if (next == '$') {
      out += '$';
      ++i;
      continue;
    }
    const auto close = next == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += text[i];
      continue;
    }
    const auto name = text.substr(i + 2, close - i - 2);
    const auto value = lookup(name);
    out += value ? *value : std::string(text.substr(i, close - i + 1));
    i = close;
  }
  return out;
}

Result<std::string> field_value(views::PodView pod, const PodFacts& facts, std::string_view path) {
  const auto metadata = pod.metadata();
  for (const auto& [prefix, map] :
       {std::pair{std::string_view("metadata.labels['"), metadata.labels().view()},
        std::pair{std::string_view("metadata.annotations['"), metadata.annotations().view()}}) {
    if (path.starts_with(prefix) && path.ends_with("']")) {
      return std::string(map[path.substr(prefix.size(), path.size() - prefix.size() - 2)].string());
    }
  }

  struct Row {
    std::string_view path;
    std::string value;
  };

  const Row rows[] = {{"metadata.name", std::string(metadata.name())},
                      {"metadata.namespace", std::string(metadata.namespace_())},
                      {"metadata.uid", std::string(metadata.uid())},
                      {"metadata.labels", printed_map(metadata.labels().view())},
                      {"metadata.annotations", printed_map(metadata.annotations().view())},
                      {"spec.nodeName", std::string(pod.spec().node_name())},
                      {"spec.serviceAccountName", std::string(pod.spec().service_account_name())},
                      {"status.hostIP", facts.host_ip},
                      {"status.hostIPs", facts.host_ip},
                      {"status.podIP", facts.pod_ip},
                      {"status.podIPs", joined(facts.pod_ips)}};
  for (const Row& row : rows) {
    if (row.path == path) {
      return row.value;
    }
  }
  return Error{Code::invalid, fmt::format("unsupported fieldPath: {}", path)};
}

namespace {

/// Source: Kubernetes pkg/api/v1/resource, MergeContainerResourceLimits (1.35).
std::int64_t node_amount(const PodFacts& facts, std::string_view resource) {
  return resource == "cpu"                 ? facts.node_cpu_milli
         : resource == "memory"            ? facts.node_memory
         : resource == "ephemeral-storage" ? facts.node_disk
                                           : 0;
}

object::View resources_of(views::PodView pod, std::string_view container_name) {
  object::View out;
  for (const char* list : {"initContainers", "containers"}) {
    for (const auto container : pod.spec().view()[list].elements()) {
      if (container["name"].string() == container_name) {
        out = container["resources"];
      }
    }
  }
  return out;
}

}  // namespace

Result<std::string> resource_value(views::PodView pod,
                                   const PodFacts& facts,
                                   views::ResourceFieldSelectorView selector,
                                   std::string_view own_container) {
  const auto name = selector.container_name().empty() ? own_container : selector.container_name();
  const auto resources = resources_of(pod, name);
  const auto resource = selector.resource();
  const auto dot = resource.find('.');
  const auto kind = resource.substr(0, dot);
  const auto what = dot == std::string_view::npos ? std::string_view() : resource.substr(dot + 1);
  const bool is_cpu = what == "cpu";
  auto amount = resources[kind][what];
  if (!amount.exists() && kind == "requests") {
    amount = resources["limits"][what];
  }
  std::int64_t milli = 0;
  if (amount.exists()) {
    milli = is_cpu ? object::milli_value_of(amount) : object::value_of(amount);
  } else if (kind == "limits") {
    milli = node_amount(facts, what);
  }
  const auto divisor = selector.view()["divisor"];
  std::int64_t unit = is_cpu ? 1000 : 1;
  if (const auto given = is_cpu ? object::milli_value_of(divisor) : object::value_of(divisor);
      given > 0) {
    unit = given;
  }
  return std::to_string((milli + unit - 1) / unit);
}

Result<Environment> environment_of(views::PodView pod,
                                   views::ContainerView container,
                                   const Sources& sources,
                                   const PodFacts& facts) {
  EnvironmentBuilder out;
  add_services(out, pod, sources);
  for (const auto from : container.env_from()) {
    TRY_STATUS(add_env_from(out, pod, from, sources));
  }
  for (const auto variable : container.env()) {
    if (variable.has_value_from()) {
      TRY(auto value, referred_value(pod, container, variable.value_from(), sources, facts));
      if (value) {
        out.set(std::string(variable.name()), std::move(*value));
      }
      continue;
    }
    out.set(std::string(variable.name()),
            expand(variable.value(), [&out](std::string_view name) { return out.get(name); }));
  }
  return out.take();
}

}  // namespace tetrarch::agent
