// AttemptRecord ↔ records.Attempt, for the rows that hold them: retry entries and dead letters.
#pragma once

#include "broker/core/retry_entry.h"

namespace headrace::records {
class Attempt;
}

namespace headrace::core {

void encode(const AttemptRecord& attempt, records::Attempt* row);
AttemptRecord decode(const records::Attempt& row);

}  // namespace headrace::core
