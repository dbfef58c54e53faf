#include "broker/native/recode.h"

#include "broker/limits.h"
#include "broker/native/server.h"
#include "net/native/frame.h"
#include "storage/recode.h"

namespace headrace::native {

bool CodecSet::reads(const std::vector<core::StoredBatch>& batches) const {
  for (const auto& batch : batches) {
    const auto header = storage::read_header(batch.bytes.span());
    if (header && !contains(header->codec())) return false;
  }
  return true;
}

void Recode::start(std::unique_ptr<Recode> self, Server* server, uint64_t origin) {
  self->server_ = server;
  self->origin_ = origin;
  self->sink = &server->reactor().inbox();
  server->reactor().store().work(self.release());
}

// At least one batch, as a fetch promises; together no more than a fetch may bring.
void Recode::execute() noexcept {
  size_t bytes = 0;
  for (size_t i = 0; i < batches_.size(); ++i) {
    SharedBytes& batch = batches_[i].bytes;
    const size_t room = i == 0                           ? net::native::kMaxPayloadSize
                        : bytes < limits::kFetchBytesMax ? limits::kFetchBytesMax - bytes
                                                         : 0;
    const auto header = storage::read_header(batch.span());
    auto failed = storage::BatchError::ok;
    if (!header) {
      failed = storage::BatchError::too_short;
    } else if (!readable_.contains(header->codec())) {
      failed = storage::inflate_batch(batch.span(), room, &batch);
    } else if (batch.size() > room) {
      failed = storage::BatchError::inflate_too_large;
    }
    if (failed == storage::BatchError::ok) {
      bytes += batch.size();
      continue;
    }
    if (i == 0) {
      error_ = core::Error(core::ErrorCode::undecodable,
                           std::string(storage::to_string(failed)) +
                               "; a client that reads the batch's codec gets it as it is");
    }
    batches_.resize(i);
    return;
  }
}

void Recode::run() {
  server_->on_recoded(std::unique_ptr<Recode>(this));
}

}  // namespace headrace::native
