// What stands on the command line, per verb: filled by flags.cc, read by the verbs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace headrace::cli {

struct TopicArguments {
  std::string topic;
  uint32_t partitions = 0;  // 0: the broker's default
  std::string retention;
  std::optional<int64_t> dedup_window_ms;
  std::optional<uint32_t> dedup_max_ids;
  bool if_missing = false;
  std::string id;    // of a delayed event
  bool yes = false;  // delete: without asking
};

struct PublishArguments {
  std::string topic;
  std::string type, source, id, content_type, correlation_id;
  std::optional<std::string> key;
  std::optional<std::string> data;
  std::vector<std::string> headers;
  std::optional<uint32_t> partition;
  std::string durability = "durable";
  std::string codec = "none";
  std::optional<int64_t> delay_ms;
  std::string deliver_at;
  uint64_t batch_bytes = 64 * 1024;
  int64_t linger_ms = 5;
  bool cloud_events = false;
};

struct ConsumeArguments {
  std::string topic;
  std::string group;
  std::string from = "earliest";
  uint64_t count = 0;    // 0: no limit
  int64_t wait_ms = -1;  // -1: no limit
  bool push = false;
};

// Options of an acked group; what is not given is not sent.
struct GroupOptionArguments {
  std::vector<std::string> filters;
  std::vector<std::string> conditions;
  bool no_filters = false;  // update: every event again
  bool no_conditions = false;
  std::optional<uint32_t> priority, max_in_flight, max_retries, dlq_entries;
  std::optional<int64_t> ack_deadline_ms, retry_base_ms, retry_cap_ms, cooldown_ms;
  std::optional<double> retry_factor, retry_jitter;
  std::vector<std::string> retry_delays;
  std::optional<uint64_t> dlq_bytes;
  std::string dlq_overflow, ordering, version_mismatch, keep_attempts;
  std::optional<int32_t> schema_from, schema_to;
  std::string from;
};

struct GroupArguments {
  std::string group;
  bool unhealthy = false;
  std::string topic;
  bool if_missing = false;
  bool yes = false;  // delete: without asking
  GroupOptionArguments options;
};

struct SubscribeArguments {
  std::string group;
  uint64_t count = 0;    // 0: no limit
  int64_t wait_ms = -1;  // -1: no limit
  uint32_t window_events = 0;
  std::string command;  // empty: every event is acked
};

struct EventsArguments {
  std::string topic;  // empty: all
  std::vector<std::string> types;
  std::vector<std::string> conditions;
  std::string id;
  std::string correlation_id;
  std::optional<std::string> key;
  std::string from;  // RFC 3339; empty: no bound
  std::string to;
  uint64_t count = 50;
  std::string group;                  // explain; ls: as this group sees them
  std::vector<std::string> statuses;  // ls: in the group, any of them
  bool attempts = false;              // get: with what every group made of it
};

struct AuditArguments {
  std::string from;  // RFC 3339; empty: no bound
  std::string to;
  std::string action;  // "group.quarantined", or all that begin with it
  std::string object;  // "group mail"
  uint64_t count = 50;
  std::string export_file;  // verify: empty: none
  bool offline = false;     // verify
};

struct ReplayArguments {
  std::string group;
  std::optional<int64_t> from_us, to_us;
  std::optional<uint32_t> partition;
  std::optional<int64_t> from_offset, to_offset;  // inclusive
  std::vector<std::string> filters, conditions;
  double rate = 0;
  bool dry_run = false;
};

struct RedriveArguments {
  std::string group;
  std::vector<std::string> ids, conditions;
  bool all = false;
  double rate = 0;
  bool dry_run = false;
};

struct JobArguments {
  std::string group;  // empty: of all groups
  std::string job;
  std::string action;
};

struct DeadLetterArguments {
  std::string group;
  std::string id;
  std::vector<std::string> ids;         // to delete
  std::vector<std::string> conditions;  // on the event, and `reason`
  std::string reason;                   // short for the condition
  bool all = false;
  bool yes = false;    // purge: without asking
  std::string token;   // purge: what the count gave
  uint64_t count = 0;  // 0: no limit
};

struct SchemaArguments {
  std::string type;
  std::string file;     // "-": standard input
  std::string message;  // Protobuf: its full name
  int32_t version = 0;  // 0: the newest, the next one
  int32_t from = 0;
  int32_t to = 0;
  std::string mode, compatibility;
  bool dry_run = false;
  bool all = false;
};

struct PrincipalArguments {
  std::string principal;  // empty: all
  std::vector<std::string> roles, subjects;
  std::optional<bool> platform, disabled;
  bool if_missing = false;
  bool password_stdin = false, no_password = false;
};

struct KeyArguments {
  std::string principal;  // empty: of all
  std::string key;        // its id
  std::string note;
  std::optional<int64_t> expires_ms;
  int64_t after_ms = 0;
};

struct TenantArguments {
  std::string tenant;  // empty: all
  std::string reason;
  std::string confirm;
  bool if_missing = false;
  std::map<std::string, std::string> quotas;  // as given: by name, with `none`
};

struct MonthArguments {
  uint32_t month = 0;               // YYYYMM
  std::vector<std::string> topics;  // empty: all
  std::string file;
  std::string into;  // empty: the topic's own name
  std::string confirm;
  uint64_t rate_bytes = 0;  // a second; 0: as fast as it goes
  bool force = false;
  bool only_check = false;
};

}  // namespace headrace::cli
