// SPDX-License-Identifier: Apache-2.0
// `tetrarch image`: push, ls and rm speak with the cluster's registry as the admin of this data
// directory; load hands an archive to the agent of this machine alone.
#include <filesystem>

#include <fmt/format.h>

#include "app/command.h"
#include "app/connect.h"
#include "app/image_registry.h"
#include "app/node.h"

namespace tetrarch::app {
namespace {

using api::distribution::Reference;
using Words = std::vector<std::string>;

/// A machine may have to write some GB to its disk before it answers.
constexpr std::chrono::minutes kAnswerMax{10};

constexpr std::string_view kUsage =
    "usage: tetrarch image push FILE.tar [NAME:TAG] | ls | rm NAME:TAG | load FILE.tar";

Result<std::string> load(const std::string& data_dir, const std::string& file) {
  std::error_code error;
  const auto path = std::filesystem::canonical(file, error);
  if (error) {
    return Error{Code::not_found, fmt::format("{}: {}", file, error.message())};
  }
  net::ClientOptions options;
  options.url = "unix://" + agent_socket(data_dir);
  options.request_limit = kAnswerMax;
  TRY(const auto connection, Connection::open(std::move(options), nullptr));
  TRY(auto answer,
      connection->ask(
          {.method = "POST", .target = "/images/load", .headers = {}, .body = path.string()}));
  if (answer.status != 200) {
    return Error{Code::invalid, answer.body.substr(0, answer.body.find_last_not_of('\n') + 1)};
  }
  return std::move(answer.body);
}

/// What an image of the archive is to be called.
Result<std::vector<Reference>> names_for(const std::vector<ArchivedImage>& images,
                                         const ArchivedImage& image,
                                         const std::string& given) {
  auto names = image.names;
  if (!given.empty()) {
    if (images.size() != 1) {
      return Error{Code::invalid,
                   fmt::format("there are {} images in it: one name will not do", images.size())};
    }
    names = {given};
  }
  if (names.empty()) {
    return Error{Code::invalid, "the archive has no name for its image: say NAME:TAG behind it"};
  }
  std::vector<Reference> out;
  for (const auto& name : names) {
    TRY(auto reference, api::distribution::parse_reference(name));
    if (reference.tag.empty()) {
      return Error{Code::invalid, fmt::format("{}: a digest is no name to push to", name)};
    }
    out.push_back(std::move(reference));
  }
  return out;
}

std::string text_of(const Reference& name) {
  return fmt::format("{}{}{}:{}", name.host, name.host.empty() ? "" : "/", name.path, name.tag);
}

Status push(const Config& config, const std::string& file, const std::string& given) {
  TRY(const auto archive, TarIndex::open(file));
  TRY(const auto images, read_image_archive(archive));
  TRY(const auto connection, Connection::as_admin(config.data_dir, kAnswerMax));
  ImageRegistry registry(*connection);
  for (const auto& image : images) {
    TRY(const auto names, names_for(images, image, given));
    for (const auto& name : names) {
      TRY(const auto digest, registry.push(archive, image, name));
      fmt::print("{}  {}\n", text_of(name), digest);
    }
  }
  return ok();
}

Status list(const Config& config) {
  TRY(const auto connection, Connection::as_admin(config.data_dir));
  TRY(const auto images, connection->ask_api("GET", "/apis/images.tetrarch.dev/v1/images"));
  fmt::print("{:<40} {:<16} {:<20} {:>12}\n", "REPOSITORY", "TAG", "DIGEST", "BYTES");
  for (const auto image : images->root()["items"].elements()) {
    const auto spec = image["spec"];
    fmt::print("{:<40} {:<16} {:<20} {:>12}\n",
               spec["repository"].string(),
               spec["tag"].string(),
               spec["digest"].string().substr(0, 19),
               spec["sizeBytes"].integer());
  }
  return ok();
}

Status remove(const Config& config, const std::string& text) {
  TRY(const auto name, api::distribution::parse_reference(text));
  TRY(const auto connection, Connection::as_admin(config.data_dir));
  TRY_STATUS(ImageRegistry(*connection).remove(name));
  fmt::print("{} removed\n", text);
  return ok();
}

Status run_words(const Config& config, const Words& rest) {
  const auto verb = rest.empty() ? std::string() : rest[0];
  if (verb == "push" && (rest.size() == 2 || rest.size() == 3)) {
    return push(config, rest[1], rest.size() == 3 ? rest[2] : "");
  }
  if (verb == "ls" && rest.size() == 1) {
    return list(config);
  }
  if (verb == "rm" && rest.size() == 2) {
    return remove(config, rest[1]);
  }
  if (verb == "load" && rest.size() == 2) {
    TRY(const auto names, load(config.data_dir, rest[1]));
    fmt::print("{}", names);
    return ok();
  }
  return Error{Code::invalid, std::string(kUsage)};
}

}  // namespace

int run_image(const Config& config, const Words& rest) {
  const auto done = run_words(config, rest);
  return done.ok() ? 0 : fail(done.error().message);
}

}  // namespace tetrarch::app
