// A request as what it is, with its ownership; checks the kind.
#pragma once

#include <memory>

#include "broker/core/api.h"

namespace headrace::core {

template <class T>
std::unique_ptr<T> cast(RequestPtr request) {
  T* typed = &as<T>(*request);
  request.release();
  return std::unique_ptr<T>(typed);
}

}  // namespace headrace::core
