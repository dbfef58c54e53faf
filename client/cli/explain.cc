// explain: what an acked group made of one event, and why.
#include <cstdio>

#include "client/cli/explanation.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"

namespace headrace::cli {

int explain(const ConnectArguments& connect, const EventsArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto group = client::describe_group(*client.value, given.group);
  if (!group.ok()) return report(group.error);
  const auto at = locate_event(*client.value, given.id, group->topic());
  if (!at.ok()) return report(at.error);
  if (!at.value) {
    std::fprintf(stderr, "headrace: topic '%s' has no event with the id '%s'\n",
                 group->topic().c_str(), given.id.c_str());
    return kFailed;
  }
  const auto told = explain_event(*client.value, given.group, *at.value);
  if (!told.ok()) return report(told.error);
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    line.text("id", given.id)
        .text("topic", at.value->topic.name())
        .number("partition", at.value->partition)
        .number("offset", at.value->offset);
    explanation_fields(&line, given.group, told.value);
    line.end();
  } else {
    out = explanation_text(given.group, told.value);
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli
