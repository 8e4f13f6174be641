// SPDX-License-Identifier: Apache-2.0
#include "schedule/pod_counts.h"

#include <algorithm>

#include "schema/views/core.h"

namespace tetrarch::schedule {

bool PodQuestion::means(std::string_view ns, object::View labels) const {
  if (!namespaces.empty() && !std::binary_search(namespaces.begin(), namespaces.end(), ns)) {
    return false;
  }
  return selector.matches(labels);
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

void PodCounts::count_pod(Counter& counter, const PlacedPod& pod, std::int64_t by) const {
  const auto& question = counter.question();
  const auto domain = nodes_.label(pod.place, question.topology_key);
  if (domain == Interner::kNone) {
    return;
  }
  const bool is_meant =
      question.what == PodQuestion::What::selected
          ? question.means(pod.ns(), pod.labels())
          : std::find(pod.anti_affinity.begin(), pod.anti_affinity.end(), question) !=
                pod.anti_affinity.end();
  if (is_meant) {
    counter.add(domain, by);
  }
}

std::shared_ptr<Counter> PodCounts::counter(const PodQuestion& question) {
  std::erase_if(selected_, [](const auto& counter) { return counter.expired(); });
  for (const auto& known : selected_) {
    if (auto counter = known.lock(); counter && counter->question() == question) {
      return counter;
    }
  }
  auto made = std::make_shared<Counter>(question);
  for (const auto& [uid, pod] : pods_) {
    if (pod.place != kNowhere) {
      count_pod(*made, pod, 1);
    }
  }
  selected_.push_back(made);
  return made;
}

void PodCounts::change(const PlacedPod& pod, std::int64_t by) {
  for (const auto& known : selected_) {
    if (const auto counter = known.lock()) {
      count_pod(*counter, pod, by);
    }
  }
  for (const PodQuestion& term : pod.anti_affinity) {
    const auto same = [&](const auto& counter) { return counter->question() == term; };
    if (std::none_of(holding_.begin(), holding_.end(), same)) {
      holding_.push_back(std::make_shared<Counter>(term));
      ++version_;
    }
  }
  for (const auto& counter : holding_) {
    count_pod(*counter, pod, by);
  }
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
