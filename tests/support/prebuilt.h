// A publish of single events as the batch that a client would have built of them.
#pragma once

#include <memory>

#include "broker/core/api.h"

namespace headrace::test {

// Views in `events` must outlive the result.
std::unique_ptr<core::PublishBatch> prebuild(const core::PublishEvents& events);

}  // namespace headrace::test
