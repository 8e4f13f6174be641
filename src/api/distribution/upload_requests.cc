// SPDX-License-Identifier: Apache-2.0
// Pushing a blob: POST begins, PATCH adds, PUT adds what is left and names the digest. Source: OCI
// distribution specification 1.1, "Pushing blobs".
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "api/distribution/context.h"
#include "base/log.h"
#include "object/writer.h"

namespace tetrarch::api::distribution {
namespace {

constexpr int kTriesMax = 4;

/// What of an upload is there, as its answers say it.
net::Headers upload_headers(const Context& context, const Upload& upload) {
  auto headers = common_headers();
  headers.add("Location", location(context, fmt::format("blobs/uploads/{}", upload.id())));
  headers.add("Docker-Upload-UUID", upload.id());
  // Source: the same: "0-0" where nothing has come yet.
  headers.add("Range", fmt::format("0-{}", std::max<std::int64_t>(upload.size() - 1, 0)));
  return headers;
}

/// "0-1023" of Content-Range: where the piece begins.
std::optional<std::int64_t> begin_of(std::string_view range) {
  std::int64_t out = 0;
  const auto dash = range.find('-');
  const auto* end = range.data() + (dash == std::string_view::npos ? 0 : dash);
  const auto [stop, error] = std::from_chars(range.data(), end, out);
  return error == std::errc{} && stop == end ? std::optional(out) : std::nullopt;
}

/// All of the request's body. Code::malformed, Code::unavailable: it broke off, and the upload
/// cannot go on.
Task<Status> take_body(Context& context, Upload& upload) {
  auto piece = std::move(context.request.body);
  while (true) {
    if (!piece.empty()) {
      CO_TRY_STATUS(co_await upload.write(piece));
    }
    CO_TRY(piece, co_await context.body.read_body());
    if (piece.empty()) {
      co_return ok();
    }
  }
}

std::string blob_object(std::string_view digest,
                        std::int64_t size,
                        const std::vector<std::string>& nodes) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("apiVersion", kApiVersion).field("kind", "ImageBlob");
  writer.key("metadata").begin_object().field("name", blob_name(digest)).end_object();
  writer.key("spec").begin_object().field("digest", digest).key("nodes").begin_array();
  for (const auto& node : nodes) {
    writer.string(node);
  }
  writer.end_array().field("sizeBytes", size).end_object().end_object();
  return out;
}

/// Those that have it now, and those of before that still give it.
Task<std::vector<std::string>> keepers_of(Context& context,
                                          const Stored& known,
                                          std::vector<std::string> nodes) {
  const auto spec = known.root()["spec"];
  const std::string digest(spec["digest"].string());
  auto out = nodes;
  for (const auto each : spec["nodes"].elements()) {
    std::string node(each.string());
    if (std::find(nodes.begin(), nodes.end(), node) != nodes.end()) {
      continue;
    }
    const bool gives = co_await gives_blob(context, node, digest);
    if (gives) {
      out.push_back(std::move(node));
    }
  }
  co_return out;
}

std::string keepers_patch(const std::vector<std::string>& nodes) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("metadata").begin_object().key("annotations").begin_object();
  writer.key(kUnusedSince).null().end_object().end_object();
  writer.key("spec").begin_object().key("nodes").begin_array();
  for (const auto& node : nodes) {
    writer.string(node);
  }
  writer.end_array().end_object().end_object();
  return out;
}

/// It is known already, and perhaps lost where it was: what these machines have is not dropped by
/// them, and what others have lost does not stand in its way. Code::conflict: somebody else has
/// written it meanwhile.
Task<Status> add_keepers(Context& context, const Stored& known, std::vector<std::string> nodes) {
  const auto keepers = co_await keepers_of(context, known, std::move(nodes));
  client::WriteOptions options;
  options.expected = known.revision;
  options.expected_uid = known.uid();
  auto patch = keepers_patch(keepers);
  const auto written = co_await context.objects.patch(
      known.key, client::PatchType::merge, std::move(patch), std::move(options));
  co_return written.ok() ? ok() : Status(written.error());
}

/// Writes down that these machines have it.
Task<Status> keep_blob(Context& context,
                       std::string digest,
                       std::int64_t size,
                       std::vector<std::string> nodes) {
  const Key key{std::string(kBlobs), "", blob_name(digest)};
  const auto document = Document::from_canonical(blob_object(digest, size, nodes));
  Status last = ok();
  for (int tries = 0; tries < kTriesMax; ++tries) {
    client::WriteOptions options;
    const auto made = co_await context.objects.create(key.resource, "", document, options);
    if (made.ok() || made.error().code != Code::already_exists) {
      co_return made.ok() ? ok() : Status(made.error());
    }
    const auto known = co_await context.objects.get(key);
    last = known.ok() ? ok() : Status(known.error());
    if (known.ok()) {
      last = co_await add_keepers(context, *known, nodes);
    }
    if (last.ok()) {
      co_return last;
    }
  }
  co_return last;
}

Task<Status> answer_created(Context& context, std::string digest) {
  auto headers = common_headers();
  headers.add("Location", location(context, fmt::format("blobs/{}", digest)));
  headers.add("Docker-Content-Digest", digest);
  co_return co_await answer(context, 201, std::move(headers), "");
}

Task<Status> finish(Context& context, Uploads::Taken upload, std::string digest) {
  const auto id = upload->id();
  const auto size = upload->size();
  auto nodes = co_await upload->finish(digest);
  context.uploads.end(id);
  if (!nodes.ok()) {
    if (nodes.error().code == Code::invalid) {
      co_return co_await refuse(
          context, kDigestInvalid, fmt::format("what was sent is not {}", digest));
    }
    co_return nodes.error();
  }
  CO_TRY_STATUS(co_await keep_blob(context, digest, size, *std::move(nodes)));
  co_return co_await answer_created(context, std::move(digest));
}

/// Adds the body; where that fails the upload is over.
Task<Status> add(Context& context, Uploads::Taken& upload) {
  auto taken = co_await take_body(context, *upload);
  if (!taken.ok()) {
    upload->close();
    context.uploads.end(upload->id());
  }
  co_return taken;
}

Task<Status> add_and_finish(Context& context, Uploads::Taken upload, std::string digest) {
  if (!is_digest(digest)) {
    co_return co_await refuse(
        context, kDigestInvalid, "digest must be sha256: and 64 hexadecimal digits in lower case");
  }
  CO_TRY_STATUS(co_await add(context, upload));
  co_return co_await finish(context, std::move(upload), std::move(digest));
}

Task<Status> refuse_order(Context& context, const Upload& upload) {
  auto headers = upload_headers(context, upload);
  headers.add("Content-Type", "application/json");
  co_return co_await answer(
      context,
      416,
      std::move(headers),
      error_text(kUploadInvalid, fmt::format("the next piece begins at {}", upload.size())));
}

/// A blob is there or not, whatever repository it came through.
Task<Result<bool>> has_blob(Context& context, std::string digest) {
  Key key{std::string(kBlobs), "", blob_name(digest)};
  const auto known = co_await context.objects.get(std::move(key));
  if (!known.ok()) {
    if (known.error().code == Code::not_found) {
      co_return false;
    }
    co_return known.error();
  }
  CO_TRY_STATUS(co_await take_mark_off(context, *known));
  const bool is_there = co_await is_given(context, *known);
  co_return is_there;
}

}  // namespace

Task<Status> begin_upload(Context& context) {
  if (context.request.method != "POST") {
    co_return co_await refuse(context, kUnsupported, "an upload begins with POST");
  }
  auto mounted = context.request.parameter("mount").value_or("");
  if (is_digest(mounted)) {
    CO_TRY(const bool is_there, co_await has_blob(context, mounted));
    if (is_there) {
      co_return co_await answer_created(context, std::move(mounted));
    }
  }
  CO_TRY(auto upload, co_await context.uploads.begin(context.identity.user));
  if (auto digest = context.request.parameter("digest"); digest) {
    co_return co_await add_and_finish(context, std::move(upload), *std::move(digest));
  }
  auto headers = upload_headers(context, *upload);
  co_return co_await answer(context, 202, std::move(headers), "");
}

Task<Status> serve_upload(Context& context) {
  const auto& method = context.request.method;
  auto upload = context.uploads.take(context.route.rest, context.identity.user);
  if (!upload) {
    co_return co_await refuse(context, kUploadUnknown, "there is no such upload: begin again");
  }
  if (method == "GET") {
    auto headers = upload_headers(context, *upload);
    co_return co_await answer(context, 204, std::move(headers), "");
  }
  if (method == "DELETE") {
    upload->close();
    context.uploads.end(upload->id());
    co_return co_await answer(context, 204, common_headers(), "");
  }
  if (method != "PATCH" && method != "PUT") {
    co_return co_await refuse(context, kUnsupported, "uploads know GET, PATCH, PUT and DELETE");
  }
  const auto range = context.request.headers.get("Content-Range");
  if (!range.empty() && begin_of(range) != upload->size()) {
    co_return co_await refuse_order(context, *upload);
  }
  if (method == "PUT") {
    auto digest = context.request.parameter("digest").value_or("");
    co_return co_await add_and_finish(context, std::move(upload), std::move(digest));
  }
  CO_TRY_STATUS(co_await add(context, upload));
  auto headers = upload_headers(context, *upload);
  co_return co_await answer(context, 202, std::move(headers), "");
}

}  // namespace tetrarch::api::distribution
