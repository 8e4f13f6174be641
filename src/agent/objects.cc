// SPDX-License-Identifier: Apache-2.0
#include "agent/objects.h"

#include <charconv>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "agent/runtime/on_pool.h"
#include "agent/status.h"
#include "agent/volume_files.h"
#include "agent/volume_mounts.h"
#include "base/encoding.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kSaveAgain{10};

/// "secrets/default@token": percent-encoding keeps '@' and '/' out of the parts.
fs::path place_of(const Key& key) {
  return fs::path(key.resource) / (percent_encode(key.ns) + "@" + percent_encode(key.name));
}

Result<Key> key_of(const std::string& resource, const std::string& file) {
  const auto at = file.find('@');
  if (at == std::string::npos) {
    return Error{Code::malformed, "not a saved object: " + file};
  }
  TRY(auto ns, percent_decode(file.substr(0, at), false));
  TRY(auto name, percent_decode(file.substr(at + 1), false));
  return Key{resource, std::move(ns), std::move(name)};
}

bool is_secret(const Key& key) {
  return key.resource == "secrets";
}

/// Blocking. Without a document: it is gone.
Status save(const fs::path& directory,
            const Key& key,
            const Stored& stored,
            const trust::KeyRing* keys) {
  const auto place = place_of(key);
  if (stored.document == nullptr) {
    std::error_code error;
    fs::remove(directory / place, error);
    return error ? Status(file_error("remove", directory / place, error.value())) : ok();
  }
  auto bytes = fmt::format("{}\n{}", stored.revision.number, stored.document->bytes());
  if (is_secret(key) && keys != nullptr) {
    bytes = keys->seal(place.string(), bytes);
  }
  return write_lasting_file(directory / place, bytes, 0600);
}

/// What of a batch could not be written, and the first reason.
struct Unsaved {
  std::vector<Key> keys = {};
  Status why = ok();
};

}  // namespace

Objects::Objects(fs::path directory, async::BlockingPool& blocking)
    : directory_(std::move(directory)), blocking_(blocking) {}

void Objects::load() {
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(directory_, error)) {
    for (const auto& entry : fs::directory_iterator(folder.path(), error)) {
      if (entry.path().filename().string().starts_with('.')) {
        std::error_code ignored;
        fs::remove(entry.path(), ignored);  // a draft: its renaming never came
        continue;
      }
      const auto key = key_of(folder.path().filename().string(), entry.path().filename().string());
      std::ifstream file(entry.path(), std::ios::binary);
      std::ostringstream text;
      text << file.rdbuf();
      std::string bytes = text.str();
      if (key.ok() && keys_ != nullptr && trust::KeyRing::is_sealed(bytes)) {
        bytes = keys_->open(place_of(*key).string(), bytes).value_or("");
      }
      const auto line = bytes.find('\n');
      std::uint64_t revision = 0;
      auto document = line == std::string::npos
                          ? Result<DocumentPtr>(Error{Code::malformed, "no revision line"})
                          : Document::parse(std::string_view(bytes).substr(line + 1));
      if (!key.ok() || !document.ok()) {
        log::warning("agent", "saved object {} cannot be read; skipped", entry.path().string());
        continue;
      }
      if (const auto name = (*document)->root()["metadata"]["name"].string();
          !name.empty() && name != key->name) {
        std::error_code ignored;
        fs::remove(entry.path(), ignored);  // a draft of a former version: "default@web.new"
        continue;
      }
      std::from_chars(bytes.data(), bytes.data() + line, revision);
      objects_[*key] = Stored{*key, Revision{revision}, *document};
    }
  }
}

void Objects::begin_relist() {
  is_relisting_ = true;
  seen_.clear();
}

void Objects::apply(const client::WatchEvent& event) {
  switch (event.type) {
    case client::EventType::added:
    case client::EventType::modified:
      if (is_relisting_) {
        seen_.insert(event.object.key);
      }
      set(event.object);
      return;
    case client::EventType::deleted:
      remove(event.object.key);
      return;
    case client::EventType::bookmark:
      break;
  }
  is_synced_ = true;
  if (!is_relisting_) {
    return;
  }
  is_relisting_ = false;
  std::vector<Key> gone;
  for (const auto& [key, stored] : objects_) {
    if (!seen_.contains(key)) {
      gone.push_back(key);
    }
  }
  seen_.clear();
  for (const auto& key : gone) {
    remove(key);
  }
}

void Objects::note(const Stored& stored) {
  const auto at = objects_.find(stored.key);
  if (at != objects_.end() && at->second.revision < stored.revision) {
    set(stored);  // told like any other change: the feed will not repeat it
  }
}

void Objects::set(Stored stored) {
  const auto at = objects_.find(stored.key);
  if (at != objects_.end() && stored.revision < at->second.revision) {
    return;  // our own write was answered before the feed brought the older state
  }
  if (at != objects_.end() && stored.key.resource == "pods") {
    keep_end(at->second, stored);
  }
  const bool is_same =
      at != objects_.end() && at->second.document->bytes() == stored.document->bytes();
  objects_[stored.key] = stored;
  if (!is_same) {
    changed(stored.key, stored.document);
  }
}

/// An end that the server does not know of yet is not forgotten for a copy that it sends.
void Objects::keep_end(const Stored& known, Stored& stored) {
  if (!is_final(known.root()) || is_final(stored.root()) || known.uid() != stored.uid()) {
    return;
  }
  stored.document = with_status(stored.root(), known.root()["status"].raw());
  if (untold_) {
    untold_(stored);
  }
}

bool Objects::end_pod(const Key& pod, std::string_view status) {
  const auto at = objects_.find(pod);
  if (at == objects_.end() || is_final(at->second.root())) {
    return false;
  }
  at->second.document = with_status(at->second.root(), status);
  changed(pod, at->second.document);
  return true;
}

void Objects::remove(const Key& key) {
  if (objects_.erase(key) > 0) {
    changed(key, nullptr);
  }
}

void Objects::changed(const Key& key, DocumentPtr document) {
  dirty_.insert(key);
  has_dirty_.raise();
  if (listener_) {
    listener_(key, std::move(document));
  }
}

const Stored* Objects::find(const Key& key) const {
  const auto at = objects_.find(key);
  return at == objects_.end() ? nullptr : &at->second;
}

DocumentPtr Objects::document(std::string_view resource,
                              std::string_view ns,
                              std::string_view name) const {
  const auto* found = find(Key{std::string(resource), std::string(ns), std::string(name)});
  return found == nullptr ? nullptr : found->document;
}

std::vector<Stored> Objects::all(std::string_view resource) const {
  std::vector<Stored> out;
  for (auto at = objects_.lower_bound(Key{std::string(resource), "", ""});
       at != objects_.end() && at->first.resource == resource;
       ++at) {
    out.push_back(at->second);
  }
  return out;
}

Task<void> Objects::save_changes() {
  while (true) {
    // What could not be written is tried again, also where nothing else changes.
    if (dirty_.empty()) {
      co_await has_dirty_.wait();
    } else {
      co_await has_dirty_.wait_for(kSaveAgain);
    }
    // What belongs together comes together; no longer, or a kill -9 would lose a pod that runs.
    co_await hurry_.wait_for(std::chrono::milliseconds(50));
    const auto answered = asked_;
    const auto saved = co_await save_now();
    if (!saved.ok()) {
      log::error("agent", "cannot save objects: {}", saved.error().message);
    }
    saved_ = answered;
    was_saved_.raise();
  }
}

Task<void> Objects::saved() {
  const auto mine = ++asked_;
  hurry_.raise();
  has_dirty_.raise();
  while (saved_ < mine) {
    co_await was_saved_.wait();
  }
}

Task<Status> Objects::save_now() {
  std::vector<std::pair<Key, Stored>> batch;
  for (const auto& key : dirty_) {
    const auto* found = find(key);
    batch.emplace_back(key, found == nullptr ? Stored{} : *found);
  }
  dirty_.clear();
  auto work = [batch = std::move(batch), directory = directory_, keys = keys_] {
    Unsaved out;
    for (const auto& [key, stored] : batch) {
      auto done = save(directory, key, stored, keys);
      if (!done.ok()) {
        out.keys.push_back(key);
        out.why = out.why.ok() ? std::move(done) : std::move(out.why);
      }
    }
    return out;
  };
  auto unsaved = co_await runtime::on_pool(blocking_, std::move(work));
  dirty_.insert(unsaved.keys.begin(), unsaved.keys.end());
  co_return unsaved.why;
}

}  // namespace tetrarch::agent
