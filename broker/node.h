// The composition root: opens the store, makes the reactors and their threads, the listeners and
// the admin side, and takes them down again in the right order. The only place that knows
// everything.
//
// Used by main only, on the main thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/admin/admin.h"
#include "broker/config.h"
#include "broker/first_owner.h"
#include "broker/live_settings.h"
#include "broker/native/server.h"
#include "broker/runtime/fabric.h"
#include "broker/runtime/reactor.h"
#include "net/tls/context.h"
#include "storage/rocks/rocks_store.h"

namespace headrace::broker {

class Node {
 public:
  // Reads the configuration again; nothing and sentences if it is wrong.
  using ReadConfig = std::function<std::optional<Config>(std::vector<std::string>* errors)>;

  Node(const Config& config, ReadConfig read_config)
      : config_(config), live_(config), read_config_(std::move(read_config)) {}
  ~Node();

  // True when it serves: listeners bound, every shard loaded. Else a sentence in *error.
  bool start(std::string* error);
  // SIGHUP: reads again what may change while it serves. What is wrong is told to the log, and what
  // was in use before stays.
  void reload();
  // Drains until the configured deadline, then ends. True if nothing had to be cut off.
  bool stop();

  const net::Endpoint& listen() const { return bound_; }
  std::string http_url() const { return admin_->url(); }
  std::string metrics_url() const { return admin_->metrics_url(); }  // empty: no address of its own
  // Callers without credentials are let in, somewhere.
  bool lets_anybody_in() const { return entry_ == Entry::anonymous; }

 private:
  // One reactor and everything that lives on its thread.
  struct Lane {
    std::unique_ptr<net::Io> io;
    std::unique_ptr<net::Io> tls_io;  // over `io`; none when the listener is plain
    std::unique_ptr<runtime::Reactor> reactor;
    std::unique_ptr<native::Server> server;
    std::thread thread;
    std::atomic<bool> listening{false};
    std::atomic<bool> ready{false};
    std::atomic<bool> failed{false};
    std::string error;  // written before `failed`
  };

  bool load_tls(std::string* error);
  bool speaks_tls(std::string_view listener) const;
  bool start_admin(std::string* error);
  // On any thread: the main thread's next reload() answers.
  bool ask_reload(std::function<void(const ReloadReport&)> done);
  ReloadReport read_again();
  bool open_store(std::string* error);
  bool make_first_month(Month month, std::string* error);
  bool start_reactors(std::string* error);
  void run(uint32_t index);
  bool prepare(Lane& lane, uint32_t index);
  template <class Reached>
  bool wait_for(Lane& lane, Reached reached, std::string* error);

  const Config config_;  // as of the start
  Config live_;          // what is in use: the same but for what a reload took over
  const ReadConfig read_config_;
  std::mutex reload_mutex_;
  std::vector<std::function<void(const ReloadReport&)>> reload_waits_;  // under the mutex
  std::string cluster_id_;
  uint32_t shards_ = 0;
  net::Endpoint wanted_;
  net::Endpoint bound_;
  Entry entry_ = Entry::with_credentials;
  std::vector<Month> months_;
  std::shared_ptr<const Redactor> redactor_;
  std::unique_ptr<net::TlsServerContext> tls_;  // none: no certificate
  std::unique_ptr<storage::RocksStore> store_;
  std::unique_ptr<runtime::Fabric> fabric_;
  const std::shared_ptr<PublishersWatch> publishers_ = std::make_shared<PublishersWatch>();
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<admin::Admin> admin_;
  std::atomic<bool> all_listening_{false};
  std::atomic<bool> all_finished_{false};
};

}  // namespace headrace::broker
