// SPDX-License-Identifier: Apache-2.0
#include "object/field_set.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace tetrarch::object {

namespace {

constexpr std::string_view kSelf = ".";

std::string sorted_keys(View keys) {
  std::vector<Member> members;
  for (const auto member : keys.members()) {
    members.push_back(member);
  }
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    return a.key < b.key;
  });
  std::string out = "k:";
  Writer writer(out);
  writer.begin_object();
  for (const auto& member : members) {
    writer.field(member.key, member.value);
  }
  writer.end_object();
  return out;
}

/// The step in its one spelling; empty: of a kind that is not known.
Result<std::string> canonical_step(std::string_view step) {
  if (step.size() < 2 || step[1] != ':') {
    return Error{Code::malformed,
                 "FieldsV1: \"" + std::string(step) +
                     "\" is no step: its kind and a colon come "
                     "first"};
  }
  const auto rest = step.substr(2);
  switch (step[0]) {
    case 'f':
      return std::string(step);
    case 'i': {
      int place = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), place);
      if (error != std::errc{} || end != rest.data() + rest.size()) {
        return Error{Code::malformed, "FieldsV1: \"" + std::string(step) + "\" is no index"};
      }
      return "i:" + std::to_string(place);
    }
    case 'k':
    case 'v': {
      TRY(const auto value, Document::parse(rest));
      if (step[0] == 'v') {
        return "v:" + value->bytes();
      }
      if (!value->root().is_object()) {
        return Error{Code::malformed, "FieldsV1: the keys of an element must be an object"};
      }
      return sorted_keys(value->root());
    }
    default:
      return std::string();
  }
}

bool is_member(View printed) {
  return printed.exists() && (printed.size() == 0 || printed[kSelf].exists());
}

}  // namespace

Result<FieldSet> FieldSet::decode(View fields_v1) {
  if (!fields_v1.is_object()) {
    return Error{Code::malformed, "FieldsV1 must be an object of objects"};
  }
  std::vector<Entry> found;
  for (const auto [name, value] : fields_v1.members()) {
    if (name == kSelf) {
      continue;
    }
    TRY(auto below, decode(value));
    TRY(auto step, canonical_step(name));
    if (!step.empty()) {
      found.push_back({std::move(step), object::is_member(value), std::move(below)});
    }
  }
  return gather(std::move(found));
}

/// In any order; a step may be there in several spellings. O(n log n): clients send what they like.
FieldSet FieldSet::gather(std::vector<Entry> found) {
  std::stable_sort(
      found.begin(), found.end(), [](const Entry& a, const Entry& b) { return a.step < b.step; });
  FieldSet out;
  for (auto at = found.begin(); at != found.end();) {
    auto entry = std::move(*at++);
    std::vector<Entry> parts;
    for (; at != found.end() && at->step == entry.step; ++at) {
      entry.is_member = entry.is_member || at->is_member;
      auto& more = at->below.entries_;
      std::move(more.begin(), more.end(), std::back_inserter(parts));
    }
    if (!parts.empty()) {
      auto& first = entry.below.entries_;
      std::move(first.begin(), first.end(), std::back_inserter(parts));
      entry.below = gather(std::move(parts));
    }
    if (entry.is_member || !entry.below.is_empty()) {
      out.entries_.push_back(std::move(entry));
    }
  }
  return out;
}

void FieldSet::write(Writer& out) const {
  out.begin_object();
  for (const auto& entry : entries_) {
    out.key(entry.step);
    if (entry.is_member && !entry.below.is_empty()) {
      // Between the braces of what is below.
      std::string text;
      Writer inner(text);
      entry.below.write(inner);
      out.raw("{\".\":{}," + text.substr(1));
    } else {
      entry.below.write(out);
    }
  }
  out.end_object();
}

void FieldSet::put(std::string_view step, bool is_member, FieldSet below) {
  if (!is_member && below.is_empty()) {
    return;
  }
  auto at = entries_.end();
  if (!entries_.empty() && entries_.back().step >= step) {
    at = std::lower_bound(
        entries_.begin(), entries_.end(), step, [](const Entry& entry, std::string_view text) {
          return entry.step < text;
        });
    if (at->step == step) {
      at->is_member = at->is_member || is_member;
      at->below = at->below.is_empty() ? std::move(below) : unite(at->below, below);
      return;
    }
  }
  entries_.insert(at, Entry{std::string(step), is_member, std::move(below)});
}

void FieldSet::add(std::string_view step) {
  put(step, true, {});
}

const FieldSet::Entry* FieldSet::find(std::string_view step) const {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), step, [](const Entry& entry, std::string_view text) {
        return entry.step < text;
      });
  return at != entries_.end() && at->step == step ? &*at : nullptr;
}

const FieldSet* FieldSet::below(std::string_view step) const {
  const auto* entry = find(step);
  return entry == nullptr || entry->below.is_empty() ? nullptr : &entry->below;
}

bool FieldSet::has(std::string_view step) const {
  const auto* entry = find(step);
  return entry != nullptr && entry->is_member;
}

bool FieldSet::has_path(Path path) const {
  const auto* set = this;
  for (; path.size() > 1 && set != nullptr; path = path.subspan(1)) {
    set = set->below(path.front());
  }
  return set != nullptr && !path.empty() && set->has(path.front());
}

void FieldSet::visit_below(std::vector<std::string_view>& path,
                           const std::function<void(Path)>& visit) const {
  for (const auto& entry : entries_) {
    if (entry.is_member) {
      path.push_back(entry.step);
      visit(path);
      path.pop_back();
    }
  }
  for (const auto& entry : entries_) {
    path.push_back(entry.step);
    entry.below.visit_below(path, visit);
    path.pop_back();
  }
}

void FieldSet::for_each(const std::function<void(Path)>& visit) const {
  std::vector<std::string_view> path;
  visit_below(path, visit);
}

bool FieldSet::operator==(const FieldSet& other) const {
  return entries_ == other.entries_;
}

bool FieldSet::overlaps(View printed) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    const View value = printed[entry.step];
    return value.exists() &&
           ((entry.is_member && object::is_member(value)) || entry.below.overlaps(value));
  });
}

bool FieldSet::is_within(View printed) const {
  return std::all_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    const View value = printed[entry.step];
    return value.exists() && (!entry.is_member || object::is_member(value)) &&
           entry.below.is_within(value);
  });
}

FieldSet unite(const FieldSet& a, const FieldSet& b) {
  FieldSet out;
  auto left = a.entries_.begin();
  auto right = b.entries_.begin();
  while (left != a.entries_.end() || right != b.entries_.end()) {
    if (right == b.entries_.end() || (left != a.entries_.end() && left->step < right->step)) {
      out.entries_.push_back(*left++);
    } else if (left == a.entries_.end() || right->step < left->step) {
      out.entries_.push_back(*right++);
    } else {
      out.entries_.push_back(
          {left->step, left->is_member || right->is_member, unite(left->below, right->below)});
      ++left;
      ++right;
    }
  }
  return out;
}

FieldSet intersect(const FieldSet& a, const FieldSet& b) {
  FieldSet out;
  for (const auto& entry : a.entries_) {
    if (const auto* other = b.find(entry.step); other != nullptr) {
      out.put(
          entry.step, entry.is_member && other->is_member, intersect(entry.below, other->below));
    }
  }
  return out;
}

FieldSet subtract(const FieldSet& a, const FieldSet& b) {
  FieldSet out;
  for (const auto& entry : a.entries_) {
    if (const auto* other = b.find(entry.step); other != nullptr) {
      out.put(
          entry.step, entry.is_member && !other->is_member, subtract(entry.below, other->below));
    } else {
      out.entries_.push_back(entry);
    }
  }
  return out;
}

FieldSet subtract_deep(const FieldSet& a, const FieldSet& b) {
  FieldSet out;
  for (const auto& entry : a.entries_) {
    const auto* other = b.find(entry.step);
    if (other == nullptr) {
      out.entries_.push_back(entry);
    } else if (!other->is_member) {
      out.put(entry.step, entry.is_member, subtract_deep(entry.below, other->below));
    }
  }
  return out;
}

std::string path_text(FieldSet::Path path) {
  std::string out;
  for (const auto step : path) {
    const auto rest = step.substr(std::min<std::size_t>(2, step.size()));
    if (step.starts_with("f:")) {
      out.append(".").append(rest);
    } else if (step.starts_with("k:")) {
      const auto keys = Document::from_canonical(std::string(rest));
      std::string text;
      for (const auto [key, value] : keys->root().members()) {
        text.append(text.empty() ? "" : ",").append(key).append("=").append(value.raw());
      }
      out.append("[").append(text).append("]");
    } else if (step.starts_with("v:")) {
      out.append("[=").append(rest).append("]");
    } else {
      out.append("[").append(rest).append("]");
    }
  }
  return out;
}

}  // namespace tetrarch::object
