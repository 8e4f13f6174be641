// SPDX-License-Identifier: Apache-2.0
// The cluster's image registry, kept in order: every blob has its copies, on other machines where
// one has died, and what no tag leads to goes after a while. One pass over all of it at a time.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

inline constexpr std::string_view kImages = "images.images.tetrarch.dev";
inline constexpr std::string_view kImageManifests = "imagemanifests.images.tetrarch.dev";
inline constexpr std::string_view kImageBlobs = "imageblobs.images.tetrarch.dev";
/// Since when nothing leads to a manifest or a blob. Whoever means to use one takes it off.
inline constexpr std::string_view kUnusedSince = "images.tetrarch.dev/unused-since";

struct ImageStoreSettings {
  std::size_t copies = 2;                     ///< of each blob, as far as there are machines
  std::chrono::seconds grace{3600};           ///< what nothing leads to is kept for
  std::chrono::seconds machine_patience{30};  ///< a machine may be silent before it is replaced
};

std::unique_ptr<Controller> image_store_controller(ImageStoreSettings settings);

}  // namespace tetrarch::reconcile
