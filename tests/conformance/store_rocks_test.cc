// RocksStore under the Store's contract: real threads, and a disk that loses power on request.
#include "tests/conformance/store_suite.h"
#include "tests/support/rocks_harness.h"
#include "tests/support/unsynced_fs.h"

namespace headrace::conformance {
namespace {

class RocksHarness {
 public:
  static constexpr int kModelCases = 20;  // each opens a database

  RocksHarness() {
    options_.file_system = disk_;
    options_.on_fatal = [](int, std::string_view) {};  // only after a cut
    store_ = test::open_store(options_);
  }

  Store& store() { return *store_; }
  test::TestSink& sink() { return *sink_; }
  void run_until(const std::function<bool()>& done) { sink_->run_until(done); }

  void reopen() {
    store_.reset();
    sink_->run_posted();
    store_ = test::open_store(options_);
  }

  void crash(uint64_t choice) {
    disk_->cut_now();
    store_.reset();
    // What was posted before the cut is never run: its reactor died with the process.
    sink_->discard_posted();
    disk_->drop_unsynced(choice);
    store_ = test::open_store(options_);
  }

 private:
  test::TemporaryDirectory dir_;
  std::shared_ptr<test::UnsyncedFs> disk_ = std::make_shared<test::UnsyncedFs>(1);
  RocksOptions options_ = test::small_rocks_options(dir_.path());
  std::unique_ptr<test::TestSink> sink_ = std::make_unique<test::TestSink>();
  std::unique_ptr<RocksStore> store_;
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Rocks, StoreSuite, RocksHarness);

}  // namespace headrace::conformance
