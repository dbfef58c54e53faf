// A stored batch for a reader that lacks its codec: the same records, not compressed. Base offset,
// epoch, times and producer stay; length, codec and CRC are those of the new bytes. Pure.
#pragma once

#include <cstddef>
#include <span>

#include "metrics/shared_bytes.h"
#include "storage/batch.h"

namespace headrace::storage {

// *out has at most max_bytes with its header, else inflate_too_large; the ratio is bounded as in
// records_of(). The records are not looked at.
BatchError inflate_batch(std::span<const std::byte> batch, size_t max_bytes, SharedBytes* out);

}  // namespace headrace::storage
