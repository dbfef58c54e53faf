// An acked group "mail" whose member "a" holds all of many events of the topic "orders".
#pragma once

#include <cstdint>
#include <string>

#include "broker/limits.h"

namespace headrace::test {

// run(command): a CoreStage runs it and settles; `options` of the group, beside room for all.
template <class Run>
void hand_out(const Run& run, const std::string& options, int64_t events) {
  run("create orders 1");
  run("declare mail orders from=earliest in_flight=6000 " + options);
  run("attach mail a 6000");
  std::string values;
  for (int64_t i = 0; i < events; ++i) values += " v";
  run("publish orders 0 durable" + values);
  for (int64_t taken = 0; taken < events; taken += limits::kFoldEvents) run("take mail a 6000");
}

}  // namespace headrace::test
