// SPDX-License-Identifier: Apache-2.0
#include "store/entry.h"

#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "base/check.h"

namespace tetrarch::store {
namespace {

std::uint16_t checked_size(std::string_view text) {
  CHECK(text.size() <= Entry::kTextMax);
  return static_cast<std::uint16_t>(text.size());
}

char* append(char* out, std::string_view text) {
  if (!text.empty()) {
    std::memcpy(out, text.data(), text.size());
  }
  return out + text.size();
}

}  // namespace

std::size_t Entry::allocated(Place place, std::string_view tag) {
  return sizeof(Entry) + place.ns.size() + place.name.size() + tag.size();
}

Entry::Entry(Place place, std::string_view tag, Revision revision, DocumentPtr document)
    : ns_size_(checked_size(place.ns)),
      name_size_(checked_size(place.name)),
      tag_size_(checked_size(tag)),
      revision_(revision),
      document_(std::move(document)) {
  append(append(append(reinterpret_cast<char*>(this + 1), place.ns), place.name), tag);
}

EntryPtr Entry::make(Place place, std::string_view tag, Revision revision, DocumentPtr document) {
  std::byte* memory = std::allocator<std::byte>().allocate(allocated(place, tag));
  // Placement, not a leak: intrusive_ptr_release gives the memory back.
  return EntryPtr(::new (memory) Entry(place, tag, revision, std::move(document)));
}

void intrusive_ptr_add_ref(const Entry* entry) {
  entry->references_.fetch_add(1, std::memory_order_relaxed);
}

void intrusive_ptr_release(const Entry* entry) {
  if (entry->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  const std::size_t size = Entry::allocated(entry->place(), entry->tag());
  entry->~Entry();
  std::allocator<std::byte>().deallocate(reinterpret_cast<std::byte*>(const_cast<Entry*>(entry)),
                                         size);
}

Stored to_stored(std::string_view resource, const Entry& entry) {
  return Stored{.key = {std::string(resource), std::string(entry.ns()), std::string(entry.name())},
                .revision = entry.revision(),
                .document = entry.document()};
}

}  // namespace tetrarch::store
