// topics delayed / cancel-delayed: events that are not due yet.
#include "client/admin.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/json_line.h"
#include "metrics/quantity.h"

namespace headrace::cli {

int list_delayed(const ConnectArguments& connect, const TopicArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  proto::ListDelayed request;
  request.set_topic(given.topic);
  request.set_page_size(100);
  Table table({"ID", "PARTITION", "DUE", "TYPE", "SIZE"});
  do {
    const auto page = client::list_delayed(*client.value, request);
    if (!page.ok()) return report(page.error);
    std::string out;
    for (const proto::DelayedEvent& event : page->events()) {
      if (!connect.json) {
        table.row({event.id(), std::to_string(event.partition()), format_time_us(event.due_us()),
                   event.type(), std::to_string(event.value_size())});
        continue;
      }
      JsonLine(&out)
          .text("topic", given.topic)
          .text("id", event.id())
          .number("partition", event.partition())
          .text("due", format_time_us(event.due_us()))
          .text("accepted", format_time_us(event.accepted_us()))
          .text_or_null("type", event.type().empty()
                                    ? std::nullopt
                                    : std::optional<std::string_view>(event.type()))
          .text_or_null(
              "key", event.has_key() ? std::optional<std::string_view>(event.key()) : std::nullopt)
          .number("size", event.value_size())
          .end();
    }
    if (!print(out)) return kDone;
    request.set_cursor(page->cursor());
  } while (!request.cursor().empty());
  if (!connect.json) print(table.text());
  return kDone;
}

int cancel_delayed(const ConnectArguments& connect, const TopicArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::cancel_delayed(*client.value, given.topic, given.id);
  if (!reply.ok()) return report(reply.error);
  std::string out = "cancelled " + std::to_string(reply->cancelled()) + "\n";
  if (connect.json) {
    out.clear();
    JsonLine(&out)
        .text("topic", given.topic)
        .text("id", given.id)
        .number("cancelled", reply->cancelled())
        .end();
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli
