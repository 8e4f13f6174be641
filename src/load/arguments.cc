// SPDX-License-Identifier: Apache-2.0
#include "load/arguments.h"

#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "base/encoding.h"

namespace tetrarch::load {
namespace {

Result<std::string> read_file(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error{Code::not_found, "cannot read " + path};
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Result<int> number(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
    return Error{Code::invalid, "\"" + text + "\" is no number"};
  }
  return value;
}

/// The value behind the first "key:" of the file. Enough for the files that `tetrarch up` writes:
/// one cluster, one user, every value on its key's line.
std::string yaml_value(const std::string& text, const std::string& key) {
  const auto at = text.find(key + ":");
  if (at == std::string::npos) {
    return "";
  }
  auto value = text.substr(at + key.size() + 1);
  value = value.substr(0, value.find('\n'));
  const auto first = value.find_first_not_of(" \"'");
  const auto last = value.find_last_not_of(" \"'\r");
  return first == std::string::npos ? "" : value.substr(first, last - first + 1);
}

Status read_kubeconfig(Arguments& out, const std::string& path) {
  TRY(const auto text, read_file(path));
  out.server = yaml_value(text, "server");
  out.token = yaml_value(text, "token");
  TRY(out.tls.ca_pem, base64_decode(yaml_value(text, "certificate-authority-data")));
  TRY(out.tls.certificate_pem, base64_decode(yaml_value(text, "client-certificate-data")));
  TRY(out.tls.key_pem, base64_decode(yaml_value(text, "client-key-data")));
  return ok();
}

using Setter = std::function<Status(Arguments&, const std::string&)>;

Setter text_into(std::string Arguments::*member) {
  return [member](Arguments& out, const std::string& value) {
    out.*member = value;
    return ok();
  };
}

Setter number_into(int Arguments::*member) {
  return [member](Arguments& out, const std::string& value) -> Status {
    TRY(out.*member, number(value));
    return ok();
  };
}

Setter file_into(std::string net::TlsMaterial::*member) {
  return [member](Arguments& out, const std::string& value) -> Status {
    TRY(out.tls.*member, read_file(value));
    return ok();
  };
}

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> made{
      {"--server", text_into(&Arguments::server)},
      {"--token", text_into(&Arguments::token)},
      {"--namespace", text_into(&Arguments::ns)},
      {"--node", text_into(&Arguments::node)},
      {"--image", text_into(&Arguments::image)},
      {"--nodes", number_into(&Arguments::nodes)},
      {"--connections", number_into(&Arguments::connections)},
      {"--requests", number_into(&Arguments::requests)},
      {"--objects", number_into(&Arguments::objects)},
      {"--rate", number_into(&Arguments::rate)},
      {"--pid", number_into(&Arguments::server_pid)},
      {"--threads", number_into(&Arguments::threads)},
      {"--ca", file_into(&net::TlsMaterial::ca_pem)},
      {"--cert", file_into(&net::TlsMaterial::certificate_pem)},
      {"--key", file_into(&net::TlsMaterial::key_pem)},
      {"--kubeconfig", &read_kubeconfig},
  };
  return made;
}

}  // namespace

std::string usage() {
  return "tetrarch_load create|get|list|watch|bind|backlog|run --kubeconfig FILE | --server URL "
         "--ca "
         "FILE [--cert "
         "FILE --key FILE]\n"
         "              [--token T] [--connections 32] [--requests 10000] [--objects 10000] "
         "[--rate 200]\n"
         "              [--pid SERVER]"
         " [--namespace default] [--node load-node] [--nodes 1] [--threads 1] [--image I]\n"
         "              [--keep]\n"
         "create, get, list: every connection sends one request after the other. A list finds\n"
         "--objects pods. The pods' node is made for them, and has no agent.\n"
         "watch: --connections watchers, --requests updates of one object, --rate of them a "
         "second.\n"
         "bind: pods without a node, until a watcher has seen each on one. backlog: the same with\n"
         "nodes of which one is opened when all pods wait.\n"
         "run: pods of --image one after the other, until a watcher has seen each run.\n";
}

Result<Arguments> arguments_of_kubeconfig(const std::string& path) {
  Arguments out;
  TRY_STATUS(read_kubeconfig(out, path));
  return out;
}

Result<Arguments> parse_arguments(const std::vector<std::string>& words) {
  Arguments out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--keep") {
      out.keeps = true;
      continue;
    }
    if (!words[i].starts_with("--")) {
      out.mode = words[i];
      continue;
    }
    const auto setter = setters().find(words[i]);
    if (setter == setters().end() || i + 1 == words.size()) {
      return Error{Code::invalid, "unknown flag or missing value: " + words[i]};
    }
    TRY_STATUS(setter->second(out, words[++i]));
  }
  if (out.server.empty()) {
    return Error{Code::invalid, "--kubeconfig or --server is needed"};
  }
  if (out.connections < 1 || out.threads < 1 || out.rate < 1 || out.nodes < 1) {
    return Error{Code::invalid, "--connections, --threads, --rate and --nodes are at least 1"};
  }
  return out;
}

}  // namespace tetrarch::load
