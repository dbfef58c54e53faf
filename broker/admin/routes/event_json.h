// Stored events in the bodies of answers. Pure; the HTTP thread.
#pragma once

#include <string>

#include "broker/core/api.h"
#include "json/redactor.h"

namespace headrace::admin {

// The JSON object of one record of a batch, as consumers get it. Its id, too, unless that is null.
std::string record_json(const core::Topic& topic, PartitionId partition,
                        const storage::BatchHeader& header, const storage::RecordView& record,
                        int64_t append_time_us, std::string* id = nullptr);

// The JSON object of the event at `offset`, whose record batch `event` holds it alone. Its id, too,
// unless that is null. With a redactor as people are shown it, and `redacted` says if anything is
// hidden; without one as consumers get it.
core::Error event_json(const core::Topic& topic, PartitionId partition, Offset offset,
                       int64_t append_time_us, const SharedBytes& event, std::string* json,
                       std::string* id = nullptr, std::string_view status = {},
                       const Redactor* redactor = nullptr, std::string_view violation = {});

}  // namespace headrace::admin
