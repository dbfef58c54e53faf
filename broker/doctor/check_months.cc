// The rows that say what a partition has in each month and where its log begins.
#include "broker/doctor/facts.h"

namespace headrace::doctor {
namespace {

// What every row of a partition needs: a topic that has such a partition.
void check_partition(const Facts& facts, const PartitionKey& partition, const std::string& where,
                     Check* check) {
  const auto topic = facts.catalog.topic(partition.tenant, partition.topic);
  if (topic == nullptr) {
    check->add({where, "belongs to a topic that the catalog does not know", kRestore});
  } else if (partition.partition.value() >= topic->partitions) {
    check->add(
        {where, "belongs to a partition that topic '" + topic->name + "' does not have", kRestore});
  }
}

void take_month(std::string_view key, std::string_view value, Facts* facts, Check* check) {
  const auto where = storage::to_text(storage::Table::state, key);
  const auto partition = partition_of(key);
  const auto first = storage::parse_trailing_i64(key);
  const auto row = storage::MonthRow::decode(value);
  if (!partition || !first || !row) return check->add({where, "is no row of a month", kRestore});
  check_partition(*facts, *partition, where, check);
  auto& spans = facts->partitions[*partition].spans;
  Span span{Offset(*first), *row, Offset(*first), Offset(*first), 0, 0, false, false};
  if (!spans.empty() && spans.back().row_end() != span.first)
    check->add({where,
                "the month in front of it ends at offset " +
                    std::to_string(spans.back().row_end().value()),
                kRestore});
  if (!spans.empty() && spans.back().row.last_append_us > row->first_append_us && row->events > 0) {
    check->add({where, "its first event is older than the month in front of it", kRestore});
  }
  if (row->events > 0 && row->first_append_us > row->last_append_us)
    check->add({where, "its first event is younger than its last", kRestore});
  spans.push_back(span);
}

void take_log_start(std::string_view key, std::string_view value, Facts* facts, Check* check) {
  const auto where = storage::to_text(storage::Table::state, key);
  const auto partition = partition_of(key);
  if (!partition || value.size() != 2 * sizeof(int64_t))
    return check->add({where, "is no row of a log's start", kRestore});
  check_partition(*facts, *partition, where, check);
  const auto* at = reinterpret_cast<const std::byte*>(value.data());
  Partition& facts_of_it = facts->partitions[*partition];
  facts_of_it.log_start = Offset(load_be<int64_t>(at));
  facts_of_it.trimmed_bytes = load_be<int64_t>(at + sizeof(int64_t));
  if (facts_of_it.log_start.value() < 0 || facts_of_it.trimmed_bytes < 0)
    check->add({where, "holds a negative number", kRestore});
}

void take_lookup_span(std::string_view key, std::string_view value, Facts* facts, Check* check) {
  const auto where = storage::to_text(storage::Table::state, key);
  const auto partition = partition_of(key);
  if (!partition || value.size() != 2 * sizeof(int64_t))
    return check->add({where, "is no row of a span of look-ups", kRestore});
  check_partition(*facts, *partition, where, check);
  const auto* at = reinterpret_cast<const std::byte*>(value.data());
  Partition& facts_of_it = facts->partitions[*partition];
  facts_of_it.lookups_from = Offset(load_be<int64_t>(at));
  facts_of_it.lookups_end = Offset(load_be<int64_t>(at + sizeof(int64_t)));
  if (facts_of_it.lookups_from.value() < 0 || facts_of_it.lookups_end < facts_of_it.lookups_from)
    check->add({where, "is no span", kRestore});
}

void take_import(std::string_view key, std::string_view value, Facts* facts, Check* check) {
  const auto where = storage::to_text(storage::Table::state, key);
  const auto partition = partition_of(key);
  const auto row = storage::ImportRow::decode(value);
  if (!partition || !row) return check->add({where, "is no row of an import", kRestore});
  check_partition(*facts, *partition, where, check);
  facts->partitions[*partition].import = row;
}

}  // namespace

Check check_months(const storage::ReadOnlyStore& store, Facts* facts) {
  Check check{"months", {}, {}, 0};
  size_t months = 0;
  each_state_row(store, storage::StateKind::months, &check,
                 [&](std::string_view key, std::string_view value) {
                   take_month(key, value, facts, &check);
                   ++months;
                 });
  each_state_row(store, storage::StateKind::log_start, &check,
                 [&](std::string_view key, std::string_view value) {
                   take_log_start(key, value, facts, &check);
                 });
  each_state_row(store, storage::StateKind::lookup_span, &check,
                 [&](std::string_view key, std::string_view value) {
                   take_lookup_span(key, value, facts, &check);
                 });
  each_state_row(store, storage::StateKind::month_import, &check,
                 [&](std::string_view key, std::string_view value) {
                   take_import(key, value, facts, &check);
                 });
  for (auto& [key, partition] : facts->partitions) partition.end = partition.log_start;
  check.covered = std::to_string(months) + " months of " +
                  std::to_string(facts->partitions.size()) + " partitions";
  return check;
}

}  // namespace headrace::doctor
