// Why io_uring is not available and what to do about it, in a sentence for the person who starts
// the broker. Any thread.
#pragma once

#include <string>

namespace headrace::net {

// False and a sentence in *error on a kernel older than 6.1.
bool kernel_is_new_enough(std::string* error);

// `error`: errno of `step` ("io_uring_setup").
std::string explain_uring_failure(int error, const std::string& step);

}  // namespace headrace::net
