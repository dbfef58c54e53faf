// Who can come in at all, looked at once when the node has started: said aloud when callers without
// credentials are let in; when nobody could come in, the first owner is made, and its key lies in
// the data directory for whoever runs the broker. docs/access.md.
//
// Main thread; waits for the shards.
#pragma once

#include <string>

#include "broker/admin/admin.h"
#include "broker/config.h"

namespace headrace::broker {

struct Doors {
  core::AnonymousRule native;
  core::AnonymousRule http;
};

enum class Entry : uint8_t {
  with_credentials,  // only
  anonymous,         // anybody who reaches a listener is owner and platform admin
};

// False and a sentence in *error if a key is needed and could not be made.
bool look_after_doors(admin::Admin* admin, const Doors& doors, const Config& config, Entry* entry,
                      std::string* error);

}  // namespace headrace::broker
