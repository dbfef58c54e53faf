// Publishers that are held to events of some types: what is of others is refused. Who is not held
// to any pays a look at one flag.
//
// Lives on: the shard's reactor.
#pragma once

#include "broker/core/api.h"

namespace headrace::core {

// Sets errors, of the whole publish or of single events as it has them; false: nothing is left.
bool admit_types(Request* publish);

}  // namespace headrace::core
