// Stored events in the bodies of answers. Pure; the HTTP thread.
#pragma once

#include <string>

#include "broker/core/api.h"

namespace headrace::admin {

// Values of one answer; then a page ends early. The first event always fits.
constexpr size_t kPageBytes = 1u << 20;

// The JSON object of one record of a batch. Its id, too, unless that is null.
std::string record_json(const core::Topic& topic, PartitionId partition,
                        const storage::BatchHeader& header, const storage::RecordView& record,
                        int64_t append_time_us, std::string* id = nullptr);

// The JSON object of the event at `offset`, whose record batch `event` holds it alone. Its id, too,
// unless that is null.
core::Error event_json(const core::Topic& topic, PartitionId partition, Offset offset,
                       int64_t append_time_us, const SharedBytes& event, std::string* json,
                       std::string* id = nullptr, std::string_view status = {});

}  // namespace headrace::admin
