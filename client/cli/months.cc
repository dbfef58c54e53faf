// months ls / drop.
#include "client/months.h"

#include <ctime>

#include "client/admin.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/json_line.h"
#include "json/months.h"
#include "metrics/quantity.h"
#include "storage/month.h"

namespace headrace::cli {

int list_months(const ConnectArguments& connect, const MonthArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto topics = client::metadata(*client.value, given.topics);
  if (!topics.ok()) return report(topics.error);
  MonthSums sums;
  for (const proto::Topic& topic : topics->topics()) {
    if (topic.state() != "active") continue;
    const auto described = client::describe_topic(*client.value, topic.name());
    if (!described.ok()) return report(described.error);
    add_months(described.value, &sums);
  }
  const int64_t now_us = int64_t{std::time(nullptr)} * kMicrosPerSecond;
  const uint32_t current = storage::month_of(now_us).value();
  std::string out;
  Table table({"MONTH", "TOPICS", "PARTITIONS", "EVENTS", "BYTES", "OVER"});
  for (const auto& [month, sum] : sums) {
    if (connect.json) {
      JsonLine line(&out);
      month_fields(&line, month, sum, current);
      line.end();
      continue;
    }
    table.row({std::to_string(month), std::to_string(sum.topics), std::to_string(sum.partitions),
               std::to_string(sum.events), format_size(sum.bytes / 1024 * 1024),
               month < current ? "yes" : "no"});
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int drop_month(const ConnectArguments& connect, const MonthArguments& given) {
  if (given.confirm != std::to_string(given.month)) {
    return usage_error("drop removes the month's events: --confirm " + std::to_string(given.month) +
                       " says that you mean it");
  }
  if (given.topics.size() > 1) return usage_error("drop takes one --topic, or none for all");
  proto::DropMonth request;
  request.set_month(given.month);
  if (!given.topics.empty()) request.set_topic(given.topics.front());
  request.set_force(given.force);
  request.set_reason(connect.reason);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto receipt = client::drop_month(*client.value, request);
  if (!receipt.ok()) return report(receipt.error);
  std::string out;
  if (connect.json) {
    JsonLine(&out)
        .number("month", given.month)
        .number("topics", receipt->topics())
        .number("partitions", receipt->partitions())
        .number("events", receipt->events())
        .number("bytes", receipt->bytes())
        .end();
  } else {
    out = "dropped " + std::to_string(given.month) + ": " + std::to_string(receipt->events()) +
          " events (" + std::to_string(receipt->bytes()) + " bytes) in " +
          std::to_string(receipt->partitions()) + " partitions of " +
          std::to_string(receipt->topics()) + " topics\n";
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli
