// SPDX-License-Identifier: Apache-2.0
// What there is: repositories and tags, in pages. Source: OCI distribution specification 1.1,
// "Listing tags"; _catalog is of Docker's Registry HTTP API V2.
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "api/distribution/context.h"
#include "base/encoding.h"
#include "object/writer.h"

namespace tetrarch::api::distribution {
namespace {

constexpr std::size_t kPageMax = 1000;

struct Page {
  std::vector<std::string> names;
  bool has_more = false;
};

/// `n` and `last` of the query. Code::invalid: n is no number.
Result<Page> cut(const net::Request& request, const std::set<std::string>& all) {
  std::size_t most = kPageMax;
  if (const auto text = request.parameter("n"); text) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), most);
    if (error != std::errc{} || end != text->data() + text->size()) {
      return Error{Code::invalid, fmt::format("n=\"{}\" is no number", *text)};
    }
  }
  most = std::min(most, kPageMax);
  Page out;
  const auto last = request.parameter("last").value_or("");
  for (auto at = all.upper_bound(last); at != all.end(); ++at) {
    if (out.names.size() == most) {
      out.has_more = most > 0;
      break;
    }
    out.names.push_back(*at);
  }
  return out;
}

Task<Status> answer_page(Context& context,
                         const std::set<std::string>& all,
                         std::string_view member,
                         std::string next) {
  const auto page = cut(context.request, all);
  if (!page.ok()) {
    co_return co_await refuse(context, kPageInvalid, page.error().message);
  }
  auto headers = common_headers();
  headers.add("Content-Type", "application/json");
  if (page->has_more) {
    headers.add("Link",
                fmt::format("<{}?n={}&last={}>; rel=\"next\"",
                            next,
                            page->names.size(),
                            percent_encode(page->names.back())));
  }
  std::string out;
  object::Writer writer(out);
  writer.begin_object();
  if (!context.repository.empty()) {
    writer.field("name", context.route.path);
  }
  writer.key(member).begin_array();
  for (const auto& name : page->names) {
    writer.string(name);
  }
  writer.end_array().end_object();
  co_return co_await answer(context, 200, std::move(headers), std::move(out));
}

Task<Result<std::vector<Stored>>> all_of(Context& context, std::string resource) {
  client::ListQuery query;
  query.resource = std::move(resource);
  CO_TRY(auto page, co_await context.objects.list(std::move(query)));
  co_return std::move(page.items);
}

Task<Status> refuse_method(Context& context) {
  co_return co_await refuse(context, kUnsupported, "lists know GET only");
}

}  // namespace

Task<Status> serve_catalog(Context& context) {
  if (context.request.method != "GET") {
    co_return co_await refuse_method(context);
  }
  CO_TRY(const auto manifests, co_await all_of(context, std::string(kManifests)));
  std::set<std::string> names;
  for (const auto& manifest : manifests) {
    names.emplace(manifest.root()["spec"]["repository"].string());
  }
  co_return co_await answer_page(context, names, "repositories", "/v2/_catalog");
}

Task<Status> serve_tags(Context& context) {
  if (context.request.method != "GET") {
    co_return co_await refuse_method(context);
  }
  CO_TRY(const auto images, co_await all_of(context, std::string(kImages)));
  std::set<std::string> tags;
  for (const auto& image : images) {
    const auto spec = image.root()["spec"];
    if (spec["repository"].string() == context.repository) {
      tags.emplace(spec["tag"].string());
    }
  }
  if (tags.empty()) {
    co_return co_await refuse(
        context, kNameUnknown, fmt::format("{} has no tags here", context.repository));
  }
  co_return co_await answer_page(context, tags, "tags", location(context, "tags/list"));
}

}  // namespace tetrarch::api::distribution
