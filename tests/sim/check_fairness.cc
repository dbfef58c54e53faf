#include <algorithm>
#include <cstdlib>
#include <map>
#include <vector>

#include "tests/sim/checkers.h"
#include "tests/sim/tenants.h"

namespace headrace::sim {
namespace {

// Start-time fair queueing (storage/fair_clock.h): in any time in which two tenants have publishes
// waiting, what each was given, by weight, differs by at most one publish of each, the largest.
// Nothing else is allowed for: what is compared is when the turn of each publish came (its append
// time), not when a client heard of it.
class FairnessChecker final : public Checker {
 public:
  using Checker::Checker;

  void on_waited(const Waited& waited) override { waited_[waited.tenant].push_back(waited); }

  void on_waits_over() override {
    for (auto& [tenant, publishes] : waited_) {
      std::ranges::sort(publishes, {}, &Waited::appended_us);
    }
    for (auto one = waited_.begin(); one != waited_.end(); ++one) {
      for (auto other = std::next(one); other != waited_.end(); ++other) {
        compare(one->second, other->second);
      }
    }
    waited_.clear();
  }

 private:
  using Publishes = std::vector<Waited>;
  struct Span {
    int64_t from_us = 0;
    int64_t to_us = 0;  // not included
  };

  // When the tenant had something waiting.
  static std::vector<Span> spans_of(const Publishes& publishes) {
    std::vector<Span> all;
    for (const Waited& one : publishes) {
      if (one.arrived_us < one.appended_us) all.push_back({one.arrived_us, one.appended_us});
    }
    std::ranges::sort(all, {}, &Span::from_us);
    std::vector<Span> joined;
    for (const Span& span : all) {
      if (joined.empty() || joined.back().to_us < span.from_us) {
        joined.push_back(span);
      } else {
        joined.back().to_us = std::max(joined.back().to_us, span.to_us);
      }
    }
    return joined;
  }

  static double largest(const Publishes& publishes) {
    const auto by_bytes = std::ranges::max_element(publishes, {}, &Waited::bytes);
    return static_cast<double>(by_bytes->bytes) / by_bytes->weight;
  }

  void compare(const Publishes& one, const Publishes& other) {
    for (const Span& mine : spans_of(one)) {
      for (const Span& theirs : spans_of(other)) {
        const Span both{std::max(mine.from_us, theirs.from_us), std::min(mine.to_us, theirs.to_us)};
        if (both.from_us < both.to_us) compare(one, other, both);
      }
    }
  }

  void compare(const Publishes& one, const Publishes& other, const Span& both) {
    std::map<int64_t, double> steps;  // by turn: what the first was given more, by weight
    const auto add = [&](const Publishes& publishes, double sign) {
      for (const Waited& each : publishes) {
        if (each.appended_us < both.from_us || each.appended_us >= both.to_us) continue;
        steps[each.appended_us] += sign * static_cast<double>(each.bytes) / each.weight;
      }
    };
    add(one, 1);
    add(other, -1);
    double ahead = 0, most = 0, least = 0;
    for (const auto& [at_us, step] : steps) {
      ahead += step;
      most = std::max(most, ahead);
      least = std::min(least, ahead);
    }
    const double allowed = largest(one) + largest(other);
    if (most - least <= allowed + 1e-6) return;
    complain(tenant_name(one.front().tenant) + " and " + tenant_name(other.front().tenant) +
             " both waited, and one was given " + std::to_string(most - least) +
             " bytes by weight more than the other; " + std::to_string(allowed) +
             " are two publishes");
  }

  std::map<uint32_t, Publishes> waited_;
};

}  // namespace

std::unique_ptr<Checker> make_fairness_checker(Violations* violations) {
  return std::make_unique<FairnessChecker>(violations);
}

}  // namespace headrace::sim
