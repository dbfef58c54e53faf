// One publish in any of its forms, and what came of it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "tests/sim/scene.h"
#include "tests/sim/wire.h"

namespace headrace::sim {

struct Publish {
  enum class Form : uint8_t { events, atomic, batch, compressed } form = Form::events;
  Lane lane;
  bool spread = false;  // events only: the broker chooses each one's partition by its key
  uint32_t producer = 0;
  uint64_t first_number = 0;
  uint32_t count = 1;
  size_t padding = 0;
  Durability durability = Durability::durable;
  struct Stamp {
    int64_t id = 0;
    int32_t epoch = 0;
    int32_t sequence = 0;
  };
  std::optional<Stamp> stamp;
};

// Draws form, size and number of events; lane, producer and numbers are the caller's.
void draw_form(test::Prng& prng, Publish* publish);

struct Outcome {
  Reply::Kind kind = Reply::Kind::lost;
  uint32_t error_code = 0;
  std::string error;
  std::vector<Published> events;  // acknowledged
  bool duplicate = false;
  int64_t append_time_us = 0;
};
void send(Wire& wire, const Publish& publish, std::function<void(const Outcome&)> then);

// Errors that a correct client of a correct broker may meet.
bool is_expected(uint32_t code);

constexpr uint64_t kKeys = 40;
std::string key_text(const Value& value);
// With the mark of the tenant that has the topic.
std::string value_text(const Value& value, size_t padding, std::string_view topic);
// What a fetch or a delivery brought: every event of the batches at or above `from`. False if the
// bytes are no batches.
bool read_batches(const Lane& lane, std::string_view payload, const std::vector<uint32_t>& sizes,
                  const std::vector<int64_t>& times_us, int64_t from, uint32_t reader,
                  std::vector<Seen>* events);

// The decoded form: values are in the payload, in order.
bool read_events(const Lane& lane,
                 const google::protobuf::RepeatedPtrField<proto::DeliveredEvent>& decoded,
                 std::string_view payload, uint32_t reader, std::vector<Seen>* events);

}  // namespace headrace::sim
