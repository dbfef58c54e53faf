// Answers the deletes that wait for something to be gone.
#pragma once

#include <utility>
#include <vector>

#include "broker/core/catalog_store.h"

namespace headrace::core {

template <class Matches>
void CatalogStore::finish_deletes(const Error& error, Matches&& matches) {
  std::vector<RequestPtr> still_waiting;
  for (auto& request : deleting_) {
    if (!matches(*request)) {
      still_waiting.push_back(std::move(request));
      continue;
    }
    request->error = error;
    if (error) {
      ctx_->reply(std::move(request));
    } else {
      ctx_->reply_committed(std::move(request), Durability::durable);
    }
  }
  deleting_ = std::move(still_waiting);
}

}  // namespace headrace::core
