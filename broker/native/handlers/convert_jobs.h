// Jobs between the protocol's messages and the core's requests.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/api_jobs.h"
#include "headrace.pb.h"

namespace headrace::native {

// <group>/<number>; false if it has not that form. Names have no `/`.
std::string job_id(std::string_view group, LaneId lane);
bool parse_job_id(std::string_view id, std::string* group, LaneId* lane);

void to_proto(const core::GroupRecord& group, const core::JobStats& job, proto::Job* message);

// invalid_request naming the field; what depends on the topic is the core's to check.
core::Error from_proto(const proto::StartReplay& message, core::StartJob* request);
core::Error from_proto(const proto::Redrive& message, core::StartJob* request);

}  // namespace headrace::native
