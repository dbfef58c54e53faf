// What a group made of an event, asked for and told.
#pragma once

#include <string>

#include "client/cli/find_event.h"
#include "client/cli/json_line.h"

namespace headrace::cli {

// Asks until it is known.
client::Result<proto::ExplainEventOk> explain_event(client::Client& client,
                                                    const std::string& group, const EventAt& at);

void explanation_fields(JsonLine* line, const std::string& group,
                        const proto::ExplainEventOk& told);
// Lines for people.
std::string explanation_text(const std::string& group, const proto::ExplainEventOk& told);

// Failed attempts, as explanations and dead letters have them.
using Attempts = google::protobuf::RepeatedPtrField<proto::Attempt>;
std::string attempts_json(const Attempts& attempts);

}  // namespace headrace::cli
