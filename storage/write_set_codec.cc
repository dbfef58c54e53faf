// The serialised form of a WriteSet: docs/formats.md, "WriteSet".
#include "metrics/check.h"
#include "metrics/crc32c.h"
#include "storage/byte_reader.h"
#include "storage/write_set.h"

namespace headrace::storage {
namespace {

constexpr uint8_t kWriteSetVersion = 1;
constexpr size_t kChecksumSize = 4;
constexpr size_t kMinMutationSize = 12;  // op, table, month, tenant, key length, a byte of key

void append_key(std::string* out, const Key& key) {
  append_be(out, static_cast<uint8_t>(key.size()));
  out->append(key.view());
}

void append_mutation(std::string* out, const Mutation& mutation) {
  append_be(out, static_cast<uint8_t>(mutation.op));
  append_be(out, static_cast<uint8_t>(mutation.place.table));
  append_be(out, mutation.place.month.value());
  append_be(out, mutation.place.tenant.value());
  append_key(out, mutation.key);
  switch (mutation.op) {
    case Op::put: {
      append_be(out, static_cast<uint32_t>(mutation.value.size()));
      out->append(mutation.value);
      return;
    }
    case Op::put_batch: {
      const auto envelope = mutation.envelope.encode();
      out->append(as_text(envelope));
      out->append(mutation.value);
      append_be(out, static_cast<uint32_t>(mutation.batch.size()));
      out->append(mutation.batch.view());
      return;
    }
    case Op::remove_range:
      append_key(out, mutation.end);
      return;
    case Op::remove:
    case Op::single_remove:
      return;
  }
  HR_UNREACHABLE("operation of a mutation");
}

Key take_key(ByteReader& reader) {
  const size_t size = reader.take<uint8_t>();
  if (size == 0 || size > Key::kCapacity) reader.fail();
  return Key(reader.bytes(reader.ok() ? size : 0));
}

void take_batch(ByteReader& reader, Mutation* mutation) {
  const std::string_view raw = reader.bytes(kEnvelopeSize);
  const auto envelope = Envelope::decode(std::as_bytes(std::span(raw.data(), raw.size())));
  // Reserved bits must be zero: what cannot be written again is not read.
  if (!envelope || as_text(envelope->encode()) != raw) return reader.fail();
  mutation->envelope = *envelope;
  if (envelope->has_violations()) {
    const auto size = reader.take<uint32_t>();
    append_be(&mutation->value, size);
    mutation->value += reader.bytes(size);
  }
  const std::string_view batch = reader.bytes(reader.take<uint32_t>());
  if (batch.empty() || mutation->place.table != Table::log) return reader.fail();
  mutation->batch = SharedBytes::copy_of(batch);
}

void take_mutation(ByteReader& reader, Mutation* mutation) {
  mutation->op = static_cast<Op>(reader.take<uint8_t>());
  const auto table = reader.take<uint8_t>();
  if (table >= kTableCount) return reader.fail();
  mutation->place.table = static_cast<Table>(table);
  mutation->place.month = Month(reader.take<uint32_t>());
  mutation->place.tenant = TenantId(reader.take<uint32_t>());
  mutation->key = take_key(reader);
  switch (mutation->op) {
    case Op::put:
      mutation->value = reader.bytes(reader.take<uint32_t>());
      return;
    case Op::put_batch:
      return take_batch(reader, mutation);
    case Op::remove_range: {
      mutation->end = take_key(reader);
      if (!(mutation->key < mutation->end)) reader.fail();
      return;
    }
    case Op::remove:
    case Op::single_remove:
      return;
  }
  reader.fail();
}

}  // namespace

std::string WriteSet::serialize() const {
  std::string out;
  out.reserve(32 + bytes_ + mutations_.size() * 32);
  append_be(&out, kWriteSetVersion);
  append_be(&out, static_cast<uint8_t>(durability));
  append_be(&out, shard.value());
  append_be(&out, epoch.value());
  append_be(&out, sequence);
  append_be(&out, static_cast<uint32_t>(mutations_.size()));
  for (const Mutation& mutation : mutations_) append_mutation(&out, mutation);
  append_be(&out, crc32c_extend(0, out.data(), out.size()));
  return out;
}

std::optional<WriteSet> WriteSet::parse(std::span<const std::byte> from) {
  if (from.size() < kChecksumSize) return std::nullopt;
  const auto body = from.first(from.size() - kChecksumSize);
  if (crc32c(body) != load_be<uint32_t>(body.data() + body.size())) return std::nullopt;
  ByteReader reader(as_text(body));
  if (reader.take<uint8_t>() != kWriteSetVersion) return std::nullopt;
  WriteSet set;
  const auto durability = reader.take<uint8_t>();
  if (durability > static_cast<uint8_t>(Durability::durable)) return std::nullopt;
  set.durability = static_cast<Durability>(durability);
  set.shard = ShardId(reader.take<uint16_t>());
  set.epoch = Epoch(reader.take<uint32_t>());
  set.sequence = reader.take<uint64_t>();
  const size_t count = reader.take<uint32_t>();
  if (!reader.ok() || count > reader.remaining() / kMinMutationSize) return std::nullopt;
  set.mutations_.reserve(count);
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    Mutation& mutation = set.mutations_.emplace_back();
    take_mutation(reader, &mutation);
    set.bytes_ += mutation.bytes();
  }
  if (!reader.finished()) return std::nullopt;
  return set;
}

}  // namespace headrace::storage
