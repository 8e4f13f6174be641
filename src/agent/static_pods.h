// SPDX-License-Identifier: Apache-2.0
// Static pods: pods that this node runs because a file on its disk says so, with or without a
// server. Reading a file is pure but for the catalog that it is given.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "object/stored.h"
#include "schema/catalog.h"

namespace tetrarch::agent {

// Source: kubelet, pkg/kubelet/types: what tells a static pod and its mirror in the API.
inline constexpr std::string_view kAnnotationSource = "kubernetes.io/config.source";
inline constexpr std::string_view kAnnotationMirror = "kubernetes.io/config.mirror";
inline constexpr std::string_view kAnnotationHash = "kubernetes.io/config.hash";
inline constexpr std::string_view kAnnotationSeen = "kubernetes.io/config.seen";

bool is_static_pod(object::View pod);
/// The uid of the static pod that this API object shows; empty: it shows none.
std::string_view mirrored_uid(object::View pod);
/// Whether a status of the pod with this uid is to be written to that object.
bool is_shown_by(const Stored& object, std::string_view uid);

/// What a manifest is read with.
struct ManifestReader {
  const schema::Catalog& catalog;
  std::string node_name;

  /// The pod as this node runs it: its name ends in the node's, its uid changes with every change
  /// of the file. The error is for whoever wrote the file.
  Result<Stored> read(const std::string& file, std::string_view text, TimePoint seen) const;
};

/// What the API is to show of it. `node_uid`: of this node's object, which owns it.
DocumentPtr mirror_of(const Stored& pod, std::string_view node_uid);

/// File to text; hidden files and what is no plain file are left out. Code::unavailable: the folder
/// cannot be read. A folder that is not there has no files. Blocking.
Result<std::map<std::string, std::string>> read_manifests(const std::filesystem::path& folder);

}  // namespace tetrarch::agent
