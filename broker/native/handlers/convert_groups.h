// Acked groups between the protocol's messages and the core's requests.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/api_acked.h"
#include "headrace.pb.h"

namespace headrace::native {

// Absent fields have their defaults. invalid_request naming the field if a word or number is none
// that the protocol knows; ranges are the core's to check.
core::Error from_proto(const proto::GroupOptions& message, core::GroupOptions* options);
void to_proto(const core::GroupOptions& options, proto::GroupOptions* message);

// The acked fields of a described group, over what all groups have.
void add_acked(const core::GroupRecord& record, const core::AckedStats& stats,
               proto::DescribeGroupOk* message);

// Names what is wrong as `outcomes[index].field`.
core::Error from_proto(const proto::Outcome& message, int index, core::Settle::Outcome* outcome);

// <group>@<sequence>; false if it has not that form. Names have no `@`.
std::string dead_letter_id(std::string_view group, uint64_t sequence);
bool parse_dead_letter_id(std::string_view id, std::string* group, uint64_t* sequence);
bool parse_sequence(std::string_view text, uint64_t* sequence);  // decimal, from 1

void to_proto(const core::AttemptRecord& attempt, proto::Attempt* message);

// The value of the letter's event is appended to `payload`. A letter whose event cannot be decoded
// has none of its fields but the offset.
void to_proto(const core::GroupRecord& group, const core::Topic& topic,
              const core::DeadLetter& letter, proto::DeadLetter* message, std::string* payload);

}  // namespace headrace::native
