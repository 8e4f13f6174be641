// SPDX-License-Identifier: Apache-2.0
// Images: over CRI; archives are unpacked by containerd's own `ctr`, on the same socket.
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/cri_convert.h"
#include "agent/runtime/on_pool.h"
#include "agent/runtime/process.h"
#include "async/timer.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr milliseconds kQuick = seconds(20);
constexpr milliseconds kPull = minutes(30);

/// containerd writes down that a layer is unpacked before the layer's files have reached the disk:
/// a power cut in between leaves an image of empty files for ever ("exec format error"). Seen:
/// containerd 1.6.20, tests/vm/test_systemd.py, cut power.
Status flush_images(const std::filesystem::path& root) {
  if (root.empty()) {
    return ok();
  }
  const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_flushed = fd >= 0 && ::syncfs(fd) == 0;
  const int error = errno;
  if (fd >= 0) {
    ::close(fd);
  }
  return is_flushed ? ok()
                    : Status(Error{Code::unavailable,
                                   fmt::format("cannot flush images in {}: {}",
                                               root.string(),
                                               std::strerror(error))});
}

/// `ctr images import` prints one line per name: "unpacking docker.io/x/y:1 (sha256:…)...done".
/// Seen: ctr 1.6.20.
std::vector<std::string> imported_names(const std::string& output) {
  constexpr std::string_view kPrefix = "unpacking ";
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < output.size();) {
    const std::size_t end = std::min(output.find('\n', begin), output.size());
    const std::string_view line = std::string_view(output).substr(begin, end - begin);
    if (line.starts_with(kPrefix)) {
      const auto rest = line.substr(kPrefix.size());
      out.emplace_back(rest.substr(0, rest.find(' ')));
    }
    begin = end + 1;
  }
  return out;
}

}  // namespace

Task<Result<std::optional<Image>>> Containers::image(std::string reference) {
  cri::ImageStatusRequest request;
  request.mutable_image()->set_image(std::move(reference));
  CO_TRY(const auto reply,
         co_await call<cri::ImageStatusResponse>(
             TETRARCH_RPC(images, ImageStatus), std::move(request), kQuick));
  if (!reply.has_image()) {
    co_return std::optional<Image>();
  }
  co_return std::optional<Image>(from_cri(reply.image()));
}

Task<Result<std::vector<Image>>> Containers::images() {
  CO_TRY(const auto reply,
         co_await call<cri::ListImagesResponse>(
             TETRARCH_RPC(images, ListImages), cri::ListImagesRequest(), kQuick));
  std::vector<Image> out;
  for (const auto& item : reply.images()) {
    out.push_back(from_cri(item));
  }
  co_return out;
}

Task<Result<std::string>> Containers::pull_image(std::string reference,
                                                 std::optional<RegistryLogin> login) {
  const auto timed = time_of("pull_image");
  cri::PullImageRequest request;
  request.mutable_image()->set_image(std::move(reference));
  if (login) {
    auto& auth = *request.mutable_auth();
    auth.set_username(login->user);
    auth.set_password(login->password);
    auth.set_auth(login->auth);
    auth.set_server_address(login->server);
  }
  CO_TRY(const auto reply,
         co_await call<cri::PullImageResponse>(
             TETRARCH_RPC(images, PullImage), std::move(request), kPull));
  auto flush = [root = options_.root] { return flush_images(root); };
  CO_TRY_STATUS(co_await on_pool(blocking_, std::move(flush)));
  co_return reply.image_ref();
}

Task<Result<std::vector<std::string>>> Containers::import_images(std::string archive_path) {
  const std::vector<std::string> command = {options_.ctr_binary,
                                            "--address",
                                            options_.socket,
                                            "--namespace",
                                            kContainerdNamespace,
                                            "images",
                                            "import",
                                            archive_path};
  auto work = [command, root = options_.root]() -> Result<Ran> {
    TRY(auto ran, run_process(command));
    TRY_STATUS(flush_images(root));
    return ran;
  };
  CO_TRY(const auto ran, co_await on_pool(blocking_, std::move(work)));
  if (ran.exit_code != 0) {
    co_return Error{Code::invalid, "cannot import " + archive_path + ": " + ran.output};
  }
  auto names = imported_names(ran.output);
  // CRI learns of new images from containerd's events: wait until it knows them, so that a pod can
  // use them at once.
  for (const auto& name : names) {
    for (int tries = 0; tries < 100; ++tries) {
      CO_TRY(const auto known, co_await image(name));
      if (known) {
        break;
      }
      co_await async::sleep_for(milliseconds(20));
    }
  }
  co_return names;
}

Task<Status> Containers::remove_image(std::string reference) {
  cri::RemoveImageRequest request;
  request.mutable_image()->set_image(std::move(reference));
  CO_TRY(const auto reply,
         co_await call<cri::EmptyResponse>(
             TETRARCH_RPC(images, RemoveImage), std::move(request), kQuick));
  static_cast<void>(reply);
  co_return ok();
}

}  // namespace tetrarch::agent::runtime
