// SPDX-License-Identifier: Apache-2.0
#include "schedule/pod_counts.h"

#include <algorithm>

#include "schema/views/core.h"

namespace tetrarch::schedule {

bool PodQuestion::operator==(const PodQuestion& other) const {
  const bool has_same_nodes =
      nodes == other.nodes || (nodes != nullptr && other.nodes != nullptr &&
                               nodes->signature() == other.nodes->signature());
  return has_same_nodes && what == other.what && topology_key == other.topology_key &&
         namespaces == other.namespaces && selector == other.selector && also == other.also &&
         skips_terminating == other.skips_terminating && skips_nominated == other.skips_nominated;
}

bool PodQuestion::means(std::string_view ns, object::View labels) const {
  if (!namespaces.empty() && !std::binary_search(namespaces.begin(), namespaces.end(), ns)) {
    return false;
  }
  return selector.matches(labels) && std::all_of(also.begin(), also.end(), [&](const auto& each) {
           return labels[each.first].string() == each.second;
         });
}

PodQuestion question_of_term(object::View term, std::string_view own_namespace, Interner& texts) {
  const views::PodAffinityTermView view(term);
  PodQuestion question;
  question.topology_key = texts.intern(view.topology_key());
  const auto selector = object::LabelSelector::from_object(view.label_selector().view());
  question.selector = selector.ok() ? *selector : object::LabelSelector::nothing();
  // An empty namespaceSelector means all namespaces; one with requirements needs the namespaces'
  // labels, which this room does not see: it counts in all namespaces, which for anti-affinity
  // refuses too much rather than too little.
  if (view.namespace_selector()) {
    return question;
  }
  for (const std::string_view ns : view.namespaces()) {
    question.namespaces.emplace_back(ns);
  }
  if (question.namespaces.empty()) {
    question.namespaces.emplace_back(own_namespace);
  }
  std::sort(question.namespaces.begin(), question.namespaces.end());
  return question;
}

std::vector<PodQuestion> anti_affinity_of(object::View pod, Interner& texts) {
  std::vector<PodQuestion> out;
  const views::PodView view(pod);
  const auto anti = view.spec().affinity().pod_anti_affinity();
  for (const auto term : anti.required_during_scheduling_ignored_during_execution()) {
    out.push_back(question_of_term(term.view(), view.metadata().namespace_(), texts));
    out.back().what = PodQuestion::What::holding;
  }
  return out;
}

std::int64_t Counter::count(std::uint32_t domain) const {
  const auto found = by_domain_.find(domain);
  return found == by_domain_.end() ? 0 : found->second;
}

void Counter::add(std::uint32_t domain, std::int64_t change) {
  by_domain_[domain] += change;
  total_ += change;
}

bool PodCounts::is_meant(const PodQuestion& question, const PlacedPod& pod) const {
  if (question.what == PodQuestion::What::holding) {
    return std::find(pod.anti_affinity.begin(), pod.anti_affinity.end(), question) !=
           pod.anti_affinity.end();
  }
  return question.means(pod.ns(), pod.labels()) &&
         !(question.skips_terminating && pod.is_terminating()) &&
         !(question.skips_nominated && pod.is_nominated) &&
         (question.nodes == nullptr || question.nodes->counts(nodes_, pod.place));
}

bool PodCounts::counts(const Counter& counter, const PlacedPod& pod) const {
  return nodes_.label(pod.place, counter.question().topology_key) != Interner::kNone &&
         is_meant(counter.question(), pod);
}

bool PodCounts::count_pod(Counter& counter, const PlacedPod& pod, std::int64_t by) const {
  const auto domain = nodes_.label(pod.place, counter.question().topology_key);
  if (domain == Interner::kNone || !is_meant(counter.question(), pod)) {
    return false;
  }
  counter.add(domain, by);
  return true;
}

std::shared_ptr<Counter> PodCounts::counter(const PodQuestion& question) {
  std::erase_if(selected_, [](const auto& counter) { return counter.expired(); });
  for (const auto& known : selected_) {
    if (auto counter = known.lock(); counter && counter->question() == question) {
      return counter;
    }
  }
  auto made = std::make_shared<Counter>(question);
  pods_.for_each([&](const PlacedPod& pod) {
    if (pod.place != kNowhere) {
      count_pod(*made, pod, 1);
    }
  });
  selected_.push_back(made);
  return made;
}

bool PodCounts::change(const PlacedPod& pod, std::int64_t by) {
  bool is_counted = false;
  for (const auto& known : selected_) {
    if (const auto counter = known.lock()) {
      is_counted = count_pod(*counter, pod, by) || is_counted;
    }
  }
  change_holding(pod, by);
  return is_counted;
}

void PodCounts::change_holding(const PlacedPod& pod, std::int64_t by) {
  for (const PodQuestion& term : pod.anti_affinity) {
    const auto same = [&](const auto& counter) { return counter->question() == term; };
    if (by > 0 && std::none_of(holding_.begin(), holding_.end(), same)) {
      holding_.push_back(std::make_shared<Counter>(term, ++last_number_));
    }
  }
  for (const auto& counter : holding_) {
    count_pod(*counter, pod, by);
  }
}

void PodCounts::forget_unheld() {
  std::erase_if(holding_, [](const auto& counter) { return counter->total() == 0; });
}

std::vector<std::shared_ptr<Counter>> PodCounts::against(std::string_view ns,
                                                         object::View labels) const {
  std::vector<std::shared_ptr<Counter>> out;
  for (const auto& counter : holding_) {
    if (counter->question().means(ns, labels)) {
      out.push_back(counter);
    }
  }
  return out;
}

}  // namespace tetrarch::schedule
