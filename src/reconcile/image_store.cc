// SPDX-License-Identifier: Apache-2.0
#include "reconcile/image_store.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "reconcile/edit.h"
#include "reconcile/node_taints.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

/// Changes of one plan; what is left over is planned when these have been seen.
constexpr std::size_t kChangesMax = 200;

/// FNV-1a, mixed: spreads blobs over machines, the same way each time. Ours; nothing depends on it.
std::uint64_t weight_of(std::string_view blob, std::string_view node) {
  std::uint64_t out = 0xcbf29ce484222325ULL;
  for (const auto text : {blob, std::string_view("/"), node}) {
    for (const char c : text) {
      out = (out ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
  }
  out ^= out >> 32U;
  return out * 0x9e3779b97f4a7c15ULL;
}

struct Machines {
  std::set<std::string, std::less<>> ready;
  std::set<std::string, std::less<>> counted;  ///< ready, or not silent for so long
  std::set<std::string, std::less<>> known;
};

std::optional<TimePoint> silent_since(const Stored& node) {
  for (const auto condition : node.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready") {
      const auto time = parse_time(condition["lastTransitionTime"].string());
      return time.ok() ? std::optional(*time) : std::nullopt;
    }
  }
  return std::nullopt;
}

/// Which of its holders a blob keeps. One that is out may have the only copy: it stays until there
/// are enough others.
std::vector<std::string> holders_of(const Stored& blob,
                                    const Machines& machines,
                                    std::size_t copies) {
  std::vector<std::string> out;
  std::size_t sure = 0;  // that are there, on machines that answer
  const auto has_copy = blob.root()["status"]["copies"];
  for (const auto node : blob.root()["spec"]["nodes"].elements()) {
    const auto name = node.string();
    sure += machines.ready.contains(name) && has_copy[name].exists() ? 1 : 0;
  }
  const bool is_safe = sure >= copies;
  // Those that answer and have it come first, so that they are what stays.
  for (const int turn : {0, 1, 2}) {
    for (const auto node : blob.root()["spec"]["nodes"].elements()) {
      const auto name = node.string();
      const bool is_ready = machines.ready.contains(name);
      const int rank = is_ready && has_copy[name].exists() ? 0 : is_ready ? 1 : 2;
      const bool is_spare = is_safe && (rank > 0 || out.size() >= copies);
      if (rank == turn && !is_spare && machines.known.contains(name)) {
        out.emplace_back(name);
      }
    }
  }
  return out;
}

void add_holders(std::vector<std::string>& holders,
                 std::string_view blob,
                 const Machines& machines,
                 std::size_t copies) {
  const auto counts = [&](const std::string& name) { return machines.counted.contains(name); };
  auto have = static_cast<std::size_t>(std::count_if(holders.begin(), holders.end(), counts));
  if (have >= copies) {
    return;  // nearly always: the machines are not even looked at
  }
  std::vector<std::pair<std::uint64_t, std::string_view>> others;
  for (const auto& name : machines.ready) {
    if (std::find(holders.begin(), holders.end(), name) == holders.end()) {
      others.emplace_back(weight_of(blob, name), name);
    }
  }
  std::sort(others.begin(), others.end());
  for (const auto& [weight, name] : others) {
    if (have >= copies) {
      break;
    }
    holders.emplace_back(name);
    ++have;
  }
}

class ImageStore final : public Controller {
 public:
  explicit ImageStore(ImageStoreSettings settings) : settings_(settings) {}

  std::string_view name() const override { return "image-store"; }

  std::vector<Watching> watches() const override {
    const auto whole = [](const Mirror&, const Observed&, std::vector<Key>& keys) {
      keys.push_back({std::string(kImages), "", ""});
    };
    const auto health = [whole](const Mirror& seen, const Observed& change, auto& keys) {
      if (change.before == nullptr || change.after == nullptr ||
          ready_status(*change.before) != ready_status(*change.after)) {
        whole(seen, change, keys);
      }
    };
    return {{std::string(kImages), whole},
            {std::string(kImageManifests), whole},
            {std::string(kImageBlobs), whole},
            {"nodes", health}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto machines = look_at_machines(asked, plan);
    const auto manifests = asked.seen.list(kImageManifests);
    const auto named = named_manifests(asked.seen);
    std::set<std::string_view> blobs;
    for (const auto* manifest : manifests) {
      for (const auto blob : manifest->root()["spec"]["blobs"].elements()) {
        blobs.insert(blob["digest"].string());
      }
      settle_use(*manifest, named.contains(manifest->key.name), asked, plan);
    }
    for (const auto* blob : asked.seen.list(kImageBlobs)) {
      if (plan.changes.size() >= kChangesMax) {
        break;
      }
      if (!settle_use(
              *blob, blobs.contains(blob->root()["spec"]["digest"].string()), asked, plan)) {
        settle_copies(*blob, machines, plan);
      }
    }
    return plan;
  }

 private:
  Machines look_at_machines(const Question& asked, Plan& plan) const {
    Machines out;
    for (const auto* node : asked.seen.list("nodes")) {
      out.known.insert(node->key.name);
      if (ready_status(*node) == "True") {
        out.ready.insert(node->key.name);
        out.counted.insert(node->key.name);
        continue;
      }
      const auto end = silent_since(*node).value_or(TimePoint{}) + settings_.machine_patience;
      if (end > asked.now) {
        out.counted.insert(node->key.name);
        plan.look_again_at(end);
      }
    }
    return out;
  }

  /// Those that a tag leads to, directly or by an index.
  static std::set<std::string_view> named_manifests(const Mirror& seen) {
    std::set<std::string_view> out;
    std::vector<std::string_view> open;
    for (const auto* image : seen.list(kImages)) {
      open.push_back(image->root()["spec"]["manifest"].string());
    }
    while (!open.empty()) {
      const auto name = open.back();
      open.pop_back();
      const auto* manifest = seen.get(kImageManifests, "", name);
      if (manifest == nullptr || !out.insert(manifest->key.name).second) {
        continue;
      }
      for (const auto part : manifest->root()["spec"]["manifests"].elements()) {
        open.push_back(part.string());
      }
    }
    return out;
  }

  /// Marks what is not used any more, removes what has not been for long enough. Whether the object
  /// is changed.
  bool settle_use(const Stored& object, bool is_used, const Question& asked, Plan& plan) const {
    if (plan.changes.size() >= kChangesMax) {
      return true;
    }
    const auto mark = object.metadata()["annotations"][kUnusedSince];
    const auto since = parse_time(mark.string());
    if (!is_used && since.ok()) {
      return expire(object, *since, asked, plan);
    }
    if (is_used && !mark.exists()) {
      return false;
    }
    Edit edit(object);
    auto& annotations = Edit::object_in(edit.metadata(), "annotations");
    if (is_used) {
      annotations.erase(kUnusedSince);
    } else {
      annotations[kUnusedSince] = format_time(asked.now);
    }
    plan.changes.push_back(update_of(object, edit.document()));
    return true;
  }

  bool expire(const Stored& object, TimePoint since, const Question& asked, Plan& plan) const {
    if (since + settings_.grace > asked.now) {
      plan.look_again_at(since + settings_.grace);
      return false;
    }
    auto change = removal_of(object);
    change.expected = object.revision;  // somebody may just have taken the mark off
    plan.changes.push_back(std::move(change));
    return true;
  }

  void settle_copies(const Stored& blob, const Machines& machines, Plan& plan) const {
    auto holders = holders_of(blob, machines, settings_.copies);
    add_holders(holders, blob.key.name, machines, settings_.copies);
    std::sort(holders.begin(), holders.end());
    std::vector<std::string> before;
    for (const auto node : blob.root()["spec"]["nodes"].elements()) {
      before.emplace_back(node.string());
    }
    std::sort(before.begin(), before.end());
    if (before != holders) {
      Edit edit(blob);
      edit.spec()["nodes"] = TreeArray(holders.begin(), holders.end());
      plan.changes.push_back(update_of(blob, edit.document()));
      return;
    }
    forget_copies(blob, holders, plan);
  }

  /// Machines that are not to keep it any more do not tell when they have dropped it.
  static void forget_copies(const Stored& blob,
                            const std::vector<std::string>& holders,
                            Plan& plan) {
    Edit edit(blob);
    auto& copies = Edit::object_in(edit.status(), "copies");
    const auto count = copies.size();
    for (const auto [node, since] : blob.root()["status"]["copies"].members()) {
      if (!std::binary_search(holders.begin(), holders.end(), node)) {
        copies.erase(node);
      }
    }
    if (copies.size() != count) {
      plan.changes.push_back(update_of(blob, edit.document(), "status"));
    }
  }

  const ImageStoreSettings settings_;
};

}  // namespace

std::unique_ptr<Controller> image_store_controller(ImageStoreSettings settings) {
  return std::make_unique<ImageStore>(settings);
}

}  // namespace tetrarch::reconcile
