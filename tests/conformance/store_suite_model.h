// Part of store_suite.h: random histories of sets, restarts and power cuts against a naive model.
#pragma once

#include "tests/conformance/store_suite.h"

namespace headrace::conformance {

// One set of a random history, and what happens after it was submitted.
struct Turn {
  enum class Then { go_on, compare, reopen, crash };
  struct Change {
    int kind = 0;  // 0-4 put, 5-6 remove, 7 remove a range, 8-9 put a batch
    int table = 0;
    int tenant = 0;
    int64_t number = 0;
    std::string value;
  };

  uint32_t shard = 0;
  Durability durability = Durability::memory;
  std::vector<Change> changes;
  Then then = Then::go_on;
  uint64_t choice = 0;
};

inline std::ostream& operator<<(std::ostream& out, const Turn& turn) {
  out << "{shard " << turn.shard << " durability " << static_cast<int>(turn.durability);
  for (const Turn::Change& change : turn.changes) {
    out << ", change " << change.kind << " table " << change.table << " tenant " << change.tenant
        << " number " << change.number;
  }
  return out << ", then " << static_cast<int>(turn.then) << " choice " << turn.choice << "}";
}

inline rc::Gen<Turn> any_turn() {
  using Then = Turn::Then;
  const auto change = rc::gen::build<Turn::Change>(
      rc::gen::set(&Turn::Change::kind, rc::gen::inRange(0, 10)),
      rc::gen::set(&Turn::Change::table, rc::gen::inRange(0, 3)),
      rc::gen::set(&Turn::Change::tenant, rc::gen::inRange(0, 2)),
      rc::gen::set(&Turn::Change::number, rc::gen::inRange<int64_t>(0, 12)),
      rc::gen::set(&Turn::Change::value, rc::gen::string<std::string>()));
  return rc::gen::build<Turn>(
      rc::gen::set(&Turn::shard, rc::gen::inRange<uint32_t>(0, 3)),
      rc::gen::set(&Turn::durability,
                   rc::gen::element(Durability::memory, Durability::written, Durability::durable)),
      rc::gen::set(&Turn::changes, rc::gen::container<std::vector<Turn::Change>>(change)),
      rc::gen::set(
          &Turn::then,
          rc::gen::weightedElement<Then>(
              {{12, Then::go_on}, {4, Then::compare}, {1, Then::reopen}, {2, Then::crash}})),
      rc::gen::set(&Turn::choice));
}

// A shard has tenants of its own, because sets of different shards have no order among each other.
inline uint32_t tenant_of(uint32_t shard, int which) {
  return 6 + 2 * shard + static_cast<uint32_t>(which);
}

template <class Harness>
class ModelRun : public StoreDriver<Harness> {
 public:
  void run(const std::vector<Turn>& turns) {
    this->create(kMonth, {kDedicated});
    for (const Turn& turn : turns) {
      submit(turn);
      switch (turn.then) {
        case Turn::Then::go_on:
          break;
        case Turn::Then::compare:
          settle();
          break;
        case Turn::Then::reopen: {
          this->harness_.reopen();
          settle();
          break;
        }
        case Turn::Then::crash:
          crash(turn.choice);
          break;
      }
      if (turn.then != Turn::Then::go_on) compare(turn.choice);
    }
    settle();
    compare(0);
  }

 private:
  using Rows = std::map<std::pair<Place, std::string>, std::string>;

  static void add(WriteSet* set, uint32_t shard, const Turn::Change& change) {
    const uint32_t tenant = tenant_of(shard, change.tenant);
    if (change.kind >= 8) {
      const std::string batch = "batch " + change.value;
      return set->put_batch(log_of(tenant), batch_key(tenant, change.number),
                            Envelope{0, 0, change.number}, SharedBytes::copy_of(batch),
                            change.kind == 9 ? "violations" : "");
    }
    const Place place = change.table == 0 ? kState : change.table == 1 ? kOffsets : log_of(tenant);
    const Key key = row_key(tenant, change.number);
    if (change.kind < 5) return set->put(place, key, change.value);
    if (change.kind < 7) return set->remove(place, key);
    set->remove_range(place, key, row_key(tenant, change.number + 3));
  }

  void submit(const Turn& turn) {
    auto commit = std::make_unique<test::TestCommit>();
    commit->set = set_of(turn.shard, ++sequence_[turn.shard], turn.durability);
    for (const Turn::Change& change : turn.changes) add(&commit->set, turn.shard, change);
    commit->sink = &this->harness_.sink();
    this->harness_.store().commit(commit.get());
    pending_.push_back(std::move(commit));
    // As the shards do: at most four sets of one in flight.
    if (pending_.size() > 4) {
      this->harness_.run_until([&] { return pending_[pending_.size() - 5]->done; });
    }
  }

  void apply(const WriteSet& set) {
    for (const Mutation& mutation : set.mutations()) {
      const std::pair at(mutation.place, std::string(mutation.key.view()));
      switch (mutation.op) {
        case Op::put:
          rows_[at] = mutation.value;
          break;
        case Op::put_batch: {
          const auto envelope = mutation.envelope.encode();
          rows_[at] =
              std::string(as_text(envelope)) + mutation.value + std::string(mutation.batch.view());
          break;
        }
        case Op::remove:
        case Op::single_remove:
          rows_.erase(at);
          break;
        case Op::remove_range: {
          rows_.erase(rows_.lower_bound(at),
                      rows_.lower_bound({mutation.place, std::string(mutation.end.view())}));
        }
      }
    }
  }

  void settle() {
    for (const auto& commit : pending_) {
      this->harness_.run_until([&] { return commit->done; });
      RC_ASSERT(commit->status == Status::ok);
      apply(commit->set);
    }
    pending_.clear();
  }

  void crash(uint64_t choice) {
    this->harness_.crash(choice);
    for (auto& [shard, last] : sequence_) last = this->applied(shard);
    for (const auto& commit : pending_) {
      const bool kept = commit->set.sequence <= sequence_[commit->set.shard.value()];
      RC_ASSERT(kept || !commit->done);
      if (kept) apply(commit->set);
    }
    pending_.clear();
  }

  std::vector<Row> expected(const Place& place, uint32_t tenant) const {
    std::vector<Row> rows;
    const Key prefix = tenant_prefix(TenantId(tenant));
    for (const auto& [at, value] : rows_) {
      if (at.first == place && at.second.starts_with(prefix.view())) {
        rows.emplace_back(at.second, value);
      }
    }
    return rows;
  }

  void compare(uint64_t choice) {
    for (uint32_t shard = 0; shard < 3; ++shard) {
      RC_ASSERT(this->applied(shard) == sequence_[shard]);
      for (const int which : {0, 1}) {
        const uint32_t tenant = tenant_of(shard, which);
        const Key prefix = tenant_prefix(TenantId(tenant));
        for (const Place& place : {kState, kOffsets, log_of(tenant)}) {
          std::vector<Row> rows = expected(place, tenant);
          RC_ASSERT(this->all(place, prefix, 1 + choice % 5) == rows);
          test::TestScan scan;
          this->scan_of(&scan, place, prefix, prefix.after_prefix(), true);
          StoreDriver<Harness>::run(&scan);
          std::reverse(rows.begin(), rows.end());
          RC_ASSERT(this->rows_of(scan) == rows);
        }
      }
    }
  }

  std::map<uint32_t, uint64_t> sequence_;
  std::vector<std::unique_ptr<test::TestCommit>> pending_;  // in the order submitted
  Rows rows_;
};

TYPED_TEST_P(StoreSuite, BehavesLikeItsModel) {
  auto params = rc::detail::configuration().testParams;
  params.maxSuccess = TypeParam::kModelCases;
  const auto result = rc::detail::checkTestable(
      [] {
        const auto turns = *rc::gen::container<std::vector<Turn>>(any_turn());
        ModelRun<TypeParam>().run(turns);
      },
      rc::detail::TestMetadata{"", "StoreSuite.BehavesLikeItsModel"}, params);
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  EXPECT_TRUE(result.template is<rc::detail::SuccessResult>()) << "seed " << params.seed << "\n"
                                                               << text.str();
}

}  // namespace headrace::conformance
