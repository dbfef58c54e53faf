#include <algorithm>

#include "metrics/big_endian.h"
#include "metrics/check.h"
#include "metrics/crc32c.h"
#include "storage/batch.h"

namespace headrace::storage {
namespace {

size_t nullable_size(const std::optional<std::string_view>& value) {
  if (!value) return 1;
  return varint_size(static_cast<int64_t>(value->size())) + value->size();
}

void append_nullable(std::string* out, const std::optional<std::string_view>& value) {
  if (!value) return append_varint(out, -1);
  append_varint(out, static_cast<int64_t>(value->size()));
  out->append(*value);
}

}  // namespace

void BatchBuilder::set_producer(ProducerId id, int16_t epoch, int32_t base_sequence) {
  producer_id_ = id.value();
  producer_epoch_ = epoch;
  base_sequence_ = base_sequence;
}

void BatchBuilder::add(const EventFields& event) {
  if (count_ == 0) {
    base_timestamp_ms_ = event.timestamp_ms;
    max_timestamp_ms_ = event.timestamp_ms;
  }
  max_timestamp_ms_ = std::max(max_timestamp_ms_, event.timestamp_ms);
  const auto timestamp_delta = static_cast<int64_t>(static_cast<uint64_t>(event.timestamp_ms) -
                                                    static_cast<uint64_t>(base_timestamp_ms_));
  size_t size = 1 + varint_size(timestamp_delta) + varint_size(count_) + nullable_size(event.key) +
                nullable_size(event.value) +
                varint_size(static_cast<int64_t>(event.headers.size()));
  for (const HeaderField& header : event.headers) {
    size += nullable_size(header.key) + nullable_size(header.value);
  }
  append_varint(&records_, static_cast<int64_t>(size));
  records_ += '\0';  // attributes
  append_varint(&records_, timestamp_delta);
  append_varint(&records_, count_);
  append_nullable(&records_, event.key);
  append_nullable(&records_, event.value);
  append_varint(&records_, static_cast<int64_t>(event.headers.size()));
  for (const HeaderField& header : event.headers) {
    append_nullable(&records_, header.key);
    append_nullable(&records_, header.value);
  }
  ++count_;
  HR_CHECK(records_.size() < INT32_MAX / 2);
}

SharedBytes BatchBuilder::finish(Codec codec) {
  HR_CHECK(count_ > 0);
  std::string compressed;
  const std::string* block = &records_;
  if (codec != Codec::none) {
    compress(codec, std::as_bytes(std::span(records_)), &compressed);
    block = &compressed;
  }
  SharedBytes batch = SharedBytes::allocate(kBatchHeaderSize + block->size());
  std::byte* at = batch.mutable_data();
  store_be(at, int64_t{0});
  store_be(at + 8, static_cast<int32_t>(batch.size() - 12));
  store_be(at + 12, int32_t{-1});  // leader epoch: none yet
  store_be(at + 16, kBatchMagic);
  store_be(at + 21, static_cast<uint16_t>(codec));
  store_be(at + 23, count_ - 1);
  store_be(at + 27, base_timestamp_ms_);
  store_be(at + 35, max_timestamp_ms_);
  store_be(at + 43, producer_id_);
  store_be(at + 51, producer_epoch_);
  store_be(at + 53, base_sequence_);
  store_be(at + 57, count_);
  std::memcpy(at + kBatchHeaderSize, block->data(), block->size());
  store_be(at + 17, crc32c(batch.span().subspan(21)));
  records_.clear();
  count_ = 0;
  set_producer(kNoProducer, -1, -1);
  return batch;
}

SharedBytes batch_of_one(const RecordView& record, Offset offset, Epoch epoch) {
  std::vector<HeaderField> headers;
  for_each_header(record, [&](const HeaderView& header) {
    headers.push_back({header.key, header.value});
  });
  BatchBuilder builder;
  builder.add({record.key, record.value, record.timestamp_ms, headers});
  SharedBytes batch = builder.finish();
  patch_batch(batch.mutable_data(), offset, epoch);
  return batch;
}

}  // namespace headrace::storage
