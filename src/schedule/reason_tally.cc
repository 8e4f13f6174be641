// SPDX-License-Identifier: Apache-2.0
#include "schedule/reason_tally.h"

namespace tetrarch::schedule {

void ReasonTally::clear() {
  counts_.assign(counts_.size(), 0);
  by_place_.clear();
}

void ReasonTally::set(Place place, const std::vector<Reason>& reasons) {
  if (place >= by_place_.size()) {
    by_place_.resize(place + 1, Interner::kNone);
  }
  auto& verdict = by_place_[place];
  if (verdict != Interner::kNone) {
    --counts_[verdict];
    verdict = Interner::kNone;
  }
  if (reasons.empty()) {
    return;
  }
  std::string words;
  for (const Reason& reason : reasons) {
    words += reason_text(reason.refusal, reason.detail);
    words += '\n';
  }
  verdict = verdicts_.intern(words);
  counts_.resize(verdicts_.size());
  ++counts_[verdict];
}

Explanation ReasonTally::explain(std::size_t nodes) const {
  Explanation out;
  out.set_nodes(nodes);
  for (std::uint32_t verdict = 0; verdict < counts_.size(); ++verdict) {
    auto words = counts_[verdict] > 0 ? verdicts_.text(verdict) : std::string_view();
    while (!words.empty()) {
      const auto end = words.find('\n');
      out.add_text(words.substr(0, end), counts_[verdict]);
      words.remove_prefix(end + 1);
    }
  }
  return out;
}

}  // namespace tetrarch::schedule
