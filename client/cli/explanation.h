// What a group made of an event, asked for and told.
#pragma once

#include <string>

#include "client/cli/find_event.h"
#include "json/json_line.h"

namespace headrace::cli {

// Asks until it is known.
client::Result<proto::ExplainEventOk> explain_event(client::Client& client,
                                                    const std::string& group, const EventAt& at);

void explanation_fields(JsonLine* line, const std::string& group,
                        const proto::ExplainEventOk& told);
// Lines for people.
std::string explanation_text(const std::string& group, const proto::ExplainEventOk& told);

}  // namespace headrace::cli
