// SPDX-License-Identifier: Apache-2.0
// Entry: one state of one object as the index and the history hold it. Immutable, shared, one
// allocation: the texts of its key lie behind it, since with 100,000 objects three std::string each
// are most of the memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "base/ids.h"
#include "object/stored.h"

namespace tetrarch::store {

class Entry;
using EntryPtr = boost::intrusive_ptr<const Entry>;

/// A key within a resource; what entries are ordered by.
struct Place {
  std::string_view ns;
  std::string_view name;
  auto operator<=>(const Place&) const = default;
};

class Entry {
 public:
  static constexpr std::size_t kTextMax = 65'535;  ///< of ns, name and tag each

  static EntryPtr make(Place place, std::string_view tag, Revision revision, DocumentPtr document);
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::string_view ns() const { return {text(), ns_size_}; }

  std::string_view name() const { return {text() + ns_size_, name_size_}; }

  std::string_view tag() const { return {text() + ns_size_ + name_size_, tag_size_}; }

  Place place() const { return {ns(), name()}; }

  Revision revision() const { return revision_; }

  const DocumentPtr& document() const { return document_; }

 private:
  friend void intrusive_ptr_add_ref(const Entry* entry);
  friend void intrusive_ptr_release(const Entry* entry);

  Entry(Place place, std::string_view tag, Revision revision, DocumentPtr document);
  ~Entry() = default;

  static std::size_t allocated(Place place, std::string_view tag);

  const char* text() const { return reinterpret_cast<const char*>(this + 1); }

  mutable std::atomic<std::uint32_t> references_{0};
  const std::uint16_t ns_size_;
  const std::uint16_t name_size_;
  const std::uint16_t tag_size_;
  const Revision revision_;
  const DocumentPtr document_;
};

void intrusive_ptr_add_ref(const Entry* entry);
void intrusive_ptr_release(const Entry* entry);

Stored to_stored(std::string_view resource, const Entry& entry);

}  // namespace tetrarch::store
