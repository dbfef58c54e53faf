// Record batches as decoded events: for clients that do not read batches, and for single events out
// of batches. Happens on the reactor, so what may be inflated is small (kDecodeInflateBytesMax).
//
// Pure functions; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "broker/core/api.h"
#include "headrace.pb.h"
#include "storage/batch.h"

namespace headrace::native {

constexpr size_t kDecodeInflateBytesMax = 1u << 20;

// Calls `visit` for every record of a stored batch, in order; its views live as long as the batch
// and `scratch`. undecodable or storage_error if it cannot be read to its end.
core::Error for_each_record(const SharedBytes& batch, std::string* scratch,
                            const std::function<void(const storage::BatchHeader& header,
                                                     const storage::RecordView& record)>& visit);

// The record as a message; its value is appended to `payload`. A header name that is not UTF-8 gets
// U+FFFD where it is damaged.
void fill_event(const storage::RecordView& record, Offset offset, int64_t append_time_us,
                Epoch epoch, proto::DeliveredEvent* event, std::string* payload);

}  // namespace headrace::native
