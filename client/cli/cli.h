// The command line of `headrace`: parses the arguments, runs a verb, returns the exit code.
//   0 done, 1 the operation failed, 2 bad usage, 3 cannot reach the broker, 4 refused (access,
//   quota)
//
// `serve`, `config`, `bench` and `doctor --data` need parts that a client must not know (broker,
// storage engine), so main passes them in. Called once, on the main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace headrace::cli {

enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3, kRefused = 4 };

// Arguments of `serve` and `config`: what stands on the command line, unchecked. The configuration
// adds file and environment, checks every field and names the one that is wrong.
struct ServeArguments {
  std::string data;  // empty: not given
  std::optional<std::string> listen;
  std::optional<std::string> http_listen;
  std::string config_file;  // empty: not given
  std::optional<uint32_t> reactors;
  std::vector<std::pair<std::string, std::string>> set;  // --set key=value, in order
  bool json = false;
};

// How to reach the broker; flags and environment of every verb.
struct ConnectArguments {
  std::string server = "127.0.0.1:7420";
  std::string http = "http://127.0.0.1:7480";
  bool tls = false;     // to `server`; `http` says it by https://
  std::string ca_file;  // empty: the system's CAs
  std::string cert;     // to show to the broker; empty: none
  std::string cert_key;
  std::string server_name;  // in the broker's certificate; empty: the host
  std::string tenant;       // empty: the key's own, or `default`
  std::string api_key_file;
  std::string user;  // logs in with a password instead of a key
  std::string password_file;
  std::string as_tenant;
  std::string reason;
  int64_t timeout_ms = 30'000;
  bool json = false;
};

struct BenchArguments {
  enum class Load { publish, consume, ack, latency, flood, schemas };

  ConnectArguments connect;
  Load load = Load::publish;
  uint64_t events = 0;              // 0: the load's default
  uint32_t event_bytes = 100;       // of data, without attributes
  uint64_t batch_bytes = 64 << 10;  // encoded
  uint32_t producers = 0;           // 0: one per connection; in flight = producers × window
  uint32_t connections = 4;
  uint32_t window_batches = 8;  // in flight per connection
  uint32_t partitions = 0;      // 0: one per connection
  double events_per_s = 0;      // open loop at this rate; 0: as fast as acks come
  uint8_t durability = 2;       // storage::Durability
  bool cold = false;            // consume: from the start of the log, not the hot tail
  bool keep = false;            // leave the topic
  bool ceiling = false;
  uint32_t groups = 0;    // publish: that have members and want none of it
  uint32_t weight = 1;    // flood: of the tenant beside it
  uint32_t one_in = 1;    // ack: of so many types the group wants one
  bool live = false;      // ack: while it is published; and beside `groups` that never answer
  bool flooding = false;  // ack, live: those `groups` ask for more time all the time
  int64_t park_ms = 0;    // ack: every event fails first, and comes again then
  std::string ceiling_directory;  // empty: the current directory
};

// What looking into a data directory found, a check at a time.
struct Examination {
  struct Finding {
    std::string where;
    std::string what;
    std::string advice;
  };
  struct Check {
    std::string name;
    std::string covered;  // what was looked at
    std::vector<Finding> findings;
    uint64_t more = 0;  // findings that are not listed
  };
  std::string error;  // it cannot be looked into: a sentence
  std::vector<Check> checks;
};

using ExamineFunction = std::function<Examination(const std::string& data_dir)>;
struct RestoreArguments {
  std::string from;    // a directory of backups
  std::string data;    // made of one; empty: it is only checked
  uint32_t id = 0;     // 0: the newest
  std::string tenant;  // only this one, into a data directory that has others; empty: all
  bool replace = false;
  std::string reason;
  bool json = false;
};

using RestoreFunction = std::function<int(const RestoreArguments&)>;
using ServeFunction = std::function<int(const ServeArguments&)>;
using BenchFunction = std::function<int(const BenchArguments&)>;

struct Verbs {
  ServeFunction serve;
  ServeFunction config;
  BenchFunction bench;
  ExamineFunction examine;  // doctor --data
  RestoreFunction restore;
};

int run(int argc, char** argv, const Verbs& verbs);

}  // namespace headrace::cli
