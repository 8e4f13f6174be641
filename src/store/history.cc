// SPDX-License-Identifier: Apache-2.0
#include "store/history.h"

#include <algorithm>

namespace tetrarch::store {

History::Ring& History::ring(std::string_view resource) {
  auto found = rings_.find(resource);
  if (found == rings_.end()) {
    found = rings_.emplace(std::string(resource), Ring{}).first;
    found->second.floor = last_;
  }
  return found->second;
}

void History::begin(std::string_view resource, std::size_t objects) {
  ring(resource).objects = objects;
}

void History::append(std::string_view resource, const Change& change) {
  Ring& ring = this->ring(resource);
  ring.objects += change.before ? 0U : 1U;
  ring.objects -= change.now ? 0U : 1U;
  if (ring.chunks.empty() || ring.chunks.back().size == kChunk) {
    ring.chunks.push_back(Chunk{std::make_shared<Change[]>(kChunk), 0, 0});
  }
  // A document is held by the event that made it; the one after it holds the same once more.
  const std::size_t bytes = change.now ? change.now->document()->bytes().size() : 0;
  Chunk& chunk = ring.chunks.back();
  chunk.changes.get()[chunk.size++] = change;
  chunk.bytes += bytes;
  ring.bytes += bytes;
  bytes_ += bytes;
  ++ring.events;
  ++events_;
  while (ring.events > std::max(kEventsMin, kEventsPerObject * ring.objects)) {
    drop_oldest(ring);
  }
}

void History::trim() {
  while (events_ > limits_.events_max || bytes_ > limits_.bytes_max) {
    drop_oldest(largest(events_ > limits_.events_max ? &Ring::events : &Ring::bytes));
  }
}

void History::drop_oldest(Ring& ring) {
  const Chunk& chunk = ring.chunks.front();
  ring.floor = chunk.changes.get()[chunk.size - 1].revision;
  ring.events -= chunk.size;
  ring.bytes -= chunk.bytes;
  events_ -= chunk.size;
  bytes_ -= chunk.bytes;
  ring.chunks.pop_front();
}

History::Ring& History::largest(std::size_t Ring::*by) {
  const auto found =
      std::ranges::max_element(rings_, {}, [by](const auto& entry) { return entry.second.*by; });
  return found->second;
}

bool History::reaches(std::string_view resource, Revision from) const {
  if (from < last_ || (from > last_ && from < first_)) {
    return false;
  }
  const auto found = rings_.find(resource);
  return found == rings_.end() || from >= found->second.floor;
}

std::vector<Slice> History::since(std::string_view resource, Revision from) const {
  std::vector<Slice> slices;
  const auto found = rings_.find(resource);
  if (found == rings_.end()) {
    return slices;
  }
  const auto& chunks = found->second.chunks;
  const auto first = std::ranges::partition_point(chunks, [from](const Chunk& chunk) {
    return chunk.changes.get()[chunk.size - 1].revision <= from;
  });
  for (auto chunk = first; chunk != chunks.end(); ++chunk) {
    std::size_t begin = 0;
    while (chunk->changes.get()[begin].revision <= from) {  // ends: the chunk's last is after from
      ++begin;
    }
    slices.push_back(Slice{chunk->changes, begin, chunk->size});
  }
  return slices;
}

Revision History::floor() const {
  Revision highest = last_;
  for (const auto& [resource, ring] : rings_) {
    highest = std::max(highest, ring.floor);
  }
  return highest;
}

}  // namespace tetrarch::store
