#include "tests/sim/checkers.h"

namespace headrace::sim {

std::string to_string(const Lane& lane) {
  return lane.topic + "/" + std::to_string(lane.partition);
}

std::string to_string(const Value& value) {
  return "event " + std::to_string(value.number) + " of producer " + std::to_string(value.producer);
}

Judge::Judge() {
  for (auto make :
       {make_loss_checker, make_offsets_checker, make_order_checker, make_visible_checker,
        make_duplicate_checker, make_commit_checker, make_assignment_checker, make_budget_checker,
        make_epoch_checker, make_delivery_checker, make_delayed_checker}) {
    checkers_.push_back(make(&violations_));
  }
}

}  // namespace headrace::sim
