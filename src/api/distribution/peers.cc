// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/peers.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace tetrarch::api::distribution {
namespace {

constexpr std::string_view kBlobPort = "images.tetrarch.dev/blob-port";
/// More need not be known: one of them gives it, or none does.
constexpr std::size_t kPeersMax = 4;

bool is_ready(object::View node) {
  for (const auto condition : node["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready") {
      return condition["status"].string() == "True";
    }
  }
  return false;
}

std::string address_of(object::View node) {
  for (const auto each : node["status"]["addresses"].elements()) {
    if (each["type"].string() == "InternalIP") {
      const auto text = each["address"].string();
      return text.find(':') == std::string_view::npos ? std::string(text)
                                                      : fmt::format("[{}]", text);
    }
  }
  return "";
}

/// Empty: it gives nothing to others, or is not well.
std::string url_of(object::View node) {
  const auto port = node["metadata"]["annotations"][kBlobPort].string();
  std::uint16_t number = 0;
  const auto end = port.data() + port.size();
  const bool is_port = std::from_chars(port.data(), end, number).ptr == end && number > 0;
  const auto address = address_of(node);
  return is_port && is_ready(node) && !address.empty()
             ? fmt::format("https://{}:{}", address, number)
             : "";
}

std::vector<std::string> holders_of(const Stored& blob, std::string_view without, Random& random) {
  std::vector<std::string> out;
  for (const auto [node, since] : blob.root()["status"]["copies"].members()) {
    if (node != without) {
      out.emplace_back(node);
    }
  }
  for (std::size_t left = out.size(); left > 1; --left) {
    std::swap(out[left - 1], out[random.next() % left]);
  }
  return out;
}

}  // namespace

bool is_node(const trust::Identity& who) {
  return who.is_in(trust::kNodes) && who.user.starts_with(trust::kNodeUserPrefix);
}

Task<std::string> peers_of(Context& context, const Stored& blob) {
  const auto& user = context.identity.user;
  std::string out;
  if (!is_node(context.identity)) {
    co_return out;
  }
  const auto asker = user.substr(trust::kNodeUserPrefix.size());
  std::size_t count = 0;
  for (const auto& holder : holders_of(blob, asker, context.parts.random)) {
    Key key{"nodes", "", holder};
    const auto node = co_await context.objects.get(std::move(key));
    const auto url = node.ok() ? url_of(node->root()) : "";
    if (!url.empty() && count++ < kPeersMax) {
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", holder, url);
    }
  }
  co_return out;
}

}  // namespace tetrarch::api::distribution
