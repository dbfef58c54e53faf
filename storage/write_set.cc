#include "storage/write_set.h"

#include "metrics/check.h"

namespace headrace::storage {
namespace {

std::string_view to_string(Op op) {
  switch (op) {
    case Op::put:
      return "put";
    case Op::put_batch:
      return "put_batch";
    case Op::remove:
      return "remove";
    case Op::single_remove:
      return "single_remove";
    case Op::remove_range:
      return "remove_range";
  }
  return "invalid";
}

std::string_view to_string(Durability durability) {
  switch (durability) {
    case Durability::memory:
      return "memory";
    case Durability::written:
      return "written";
    case Durability::durable:
      return "durable";
  }
  return "invalid";
}

}  // namespace

size_t WriteSet::slot_of(const Place& place, const Key& key) const {
  const size_t mask = index_.size() - 1;
  size_t slot =
      std::hash<std::string_view>{}(key.view()) ^ static_cast<size_t>(place.table) * 0x9e37;
  for (slot &= mask; index_[slot] != 0; slot = (slot + 1) & mask) {
    const Mutation& mutation = mutations_[index_[slot] - 1];
    if (mutation.key == key && mutation.place == place) break;
  }
  return slot;
}

void WriteSet::grow_index() {
  const std::vector<uint32_t> old = std::move(index_);
  index_.assign(std::max<size_t>(16, old.size() * 2), 0);
  for (const uint32_t entry : old) {
    if (entry == 0) continue;
    const Mutation& mutation = mutations_[entry - 1];
    index_[slot_of(mutation.place, mutation.key)] = entry;
  }
}

Mutation& WriteSet::add(Op op, const Place& place, const Key& key) {
  HR_CHECK(key.size() > 0);
  Mutation& mutation = mutations_.emplace_back();
  mutation.op = op;
  mutation.place = place;
  mutation.key = key;
  return mutation;
}

Mutation& WriteSet::replace_or_add(const Place& place, const Key& key) {
  if ((indexed_ + 1) * 2 > index_.size()) grow_index();
  const size_t slot = slot_of(place, key);
  if (index_[slot] != 0) {
    Mutation& found = mutations_[index_[slot] - 1];
    bytes_ -= found.bytes();
    return found;
  }
  Mutation& added = add(Op::put, place, key);
  index_[slot] = static_cast<uint32_t>(mutations_.size());
  ++indexed_;
  return added;
}

void WriteSet::put(const Place& place, const Key& key, std::string value) {
  Mutation& mutation = replace_or_add(place, key);
  mutation.op = Op::put;
  mutation.value = std::move(value);
  bytes_ += mutation.bytes();
}

void WriteSet::put_batch(const Place& place, const Key& key, const Envelope& envelope,
                         SharedBytes batch, std::string violations) {
  HR_CHECK(place.table == Table::log && !batch.empty());
  Mutation& mutation = add(Op::put_batch, place, key);
  mutation.envelope = envelope;
  if (!violations.empty()) mutation.envelope.flags |= kEnvelopeHasViolations;
  mutation.value = std::move(violations);
  mutation.batch = std::move(batch);
  bytes_ += mutation.bytes();
}

void WriteSet::remove(const Place& place, const Key& key) {
  Mutation& mutation = replace_or_add(place, key);
  mutation.op = Op::remove;
  mutation.value.clear();
  bytes_ += mutation.bytes();
}

void WriteSet::single_remove(const Place& place, const Key& key) {
  Mutation& mutation = replace_or_add(place, key);
  mutation.op = Op::single_remove;
  mutation.value.clear();
  bytes_ += mutation.bytes();
}

void WriteSet::remove_range(const Place& place, const Key& from, const Key& to) {
  HR_CHECK(from < to);
  Mutation& mutation = add(Op::remove_range, place, from);
  mutation.end = to;
  bytes_ += mutation.bytes();
  index_.clear();
  indexed_ = 0;
}

void WriteSet::clear() {
  mutations_.clear();
  bytes_ = 0;
  index_.clear();
  indexed_ = 0;
  durability = Durability::memory;
}

std::string WriteSet::to_text() const {
  std::string text = "shard " + std::to_string(shard.value()) + " epoch " +
                     std::to_string(epoch.value()) + " sequence " + std::to_string(sequence) + " " +
                     std::string(to_string(durability)) + "\n";
  for (const Mutation& mutation : mutations_) {
    const Place& place = mutation.place;
    text += "  " + std::string(to_string(mutation.op)) + " ";
    if (place.table == Table::log) text += "[" + std::to_string(place.month.value()) + "] ";
    text += storage::to_text(place.table, mutation.key.view());
    if (mutation.op == Op::put) text += " = " + std::to_string(mutation.value.size()) + " bytes";
    if (mutation.op == Op::put_batch) {
      text += " = batch of " + std::to_string(mutation.batch.size()) + " bytes, appended " +
              std::to_string(mutation.envelope.append_time_us);
      if (!mutation.value.empty()) {
        text += ", violations of " + std::to_string(mutation.value.size()) + " bytes";
      }
    }
    if (mutation.op == Op::remove_range) {
      text += " .. " + storage::to_text(place.table, mutation.end.view());
    }
    text += "\n";
  }
  return text;
}

}  // namespace headrace::storage
