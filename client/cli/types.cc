// types ls: what happened to events, by topic and type.
#include "client/admin.h"
#include "client/cli/position.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/type_stats.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

std::string name_of(const proto::TypeStats& stats) {
  if (stats.unknown()) return "(unknown)";
  return stats.type().empty() ? "(none)" : stats.type();
}

void add_row(const std::string& topic, const proto::TypeStats& stats, Table* table) {
  table->row({topic, name_of(stats), std::to_string(stats.published()),
              std::to_string(stats.processed()), std::to_string(stats.failed()),
              std::to_string(stats.dead_lettered()), format_duration_us(stats.handler_p50_us()),
              format_duration_us(stats.handler_p95_us())});
}

}  // namespace

int list_types(const ConnectArguments& connect, const EventsArguments& given) {
  const auto from = parse_bound("--from", given.from);
  if (!from.ok()) return report(from.error);
  const auto to = parse_bound("--to", given.to);
  if (!to.ok()) return report(to.error);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::vector<std::string> topics;
  if (!given.topic.empty()) topics.push_back(given.topic);
  const auto known = client::metadata(*client.value, topics);
  if (!known.ok()) return report(known.error);
  Table table({"TOPIC", "TYPE", "PUBLISHED", "PROCESSED", "FAILED", "DEAD", "P50", "P95"});
  std::string out;
  for (const proto::Topic& topic : known->topics()) {
    if (given.topic.empty() && topic.name().starts_with('$')) continue;
    proto::ListTypes request;
    request.set_topic(topic.name());
    request.set_from_us(from.value);
    request.set_to_us(to.value);
    const auto listed = client::list_types(*client.value, request);
    if (!listed.ok()) return report(listed.error);
    for (const proto::TypeStats& stats : listed->types()) {
      add_row(topic.name(), stats, &table);
      JsonLine line(&out);
      line.text("topic", topic.name());
      type_fields(&line, stats);
      line.end();
    }
  }
  print(connect.json ? out : table.text());
  return kDone;
}

}  // namespace headrace::cli
