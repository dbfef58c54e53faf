// MemStore keeps the contract of a Store.
#include "storage/mem_store.h"
#include "tests/conformance/store_suite.h"
#include "tests/support/prng.h"

namespace headrace::conformance {

// Between two looks at the condition MemStore takes one step, chosen at random from a fixed seed,
// so that sets are caught in every stage.
class MemHarness {
 public:
  static constexpr int kModelCases = 200;

  Store& store() { return *store_; }
  test::TestSink& sink() { return *sink_; }
  void run_until(const std::function<bool()>& done) {
    while (true) {
      sink_->run_posted();
      if (done()) return;
      ASSERT_FALSE(store_->idle()) << "nothing is left that could complete";
      switch (prng_.below(3)) {
        case 0:
          store_->write_pending();
          break;
        case 1:
          store_->sync();
          break;
        default:
          store_->answer_reads();
      }
    }
  }
  void reopen() {
    store_->settle();
    sink_->run_posted();
    store_ = std::make_unique<MemStore>(&disk_);
  }
  void crash(uint64_t choice) {
    if (choice % 4 != 0) store_->write_pending();
    store_->crash(choice / 4 % (store_->unsynced() + 1));
    sink_ = std::make_unique<test::TestSink>();
    store_ = std::make_unique<MemStore>(&disk_);
  }

 private:
  test::Prng prng_{1};
  MemStore::Disk disk_;
  std::unique_ptr<test::TestSink> sink_ = std::make_unique<test::TestSink>();
  std::unique_ptr<MemStore> store_ = std::make_unique<MemStore>(&disk_);
};

INSTANTIATE_TYPED_TEST_SUITE_P(MemStore, StoreSuite, MemHarness);

}  // namespace headrace::conformance
