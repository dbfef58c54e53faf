#include "storage/event_attributes.h"

#include <utility>

namespace headrace::storage {

std::string default_event_id(uint32_t topic_id, uint32_t partition, int64_t offset,
                             uint32_t epoch) {
  std::string id = "t" + std::to_string(topic_id);
  id.append("-").append(std::to_string(partition)).append("-").append(std::to_string(offset));
  if (epoch > 1) id.append("@").append(std::to_string(epoch));
  return id;
}

EventAttributes read_attributes(const RecordView& record) {
  EventAttributes event;
  const std::pair<std::string_view, std::string_view*> known[] = {
      {kHeaderId, &event.id},
      {kHeaderType, &event.type},
      {kHeaderSource, &event.source},
      {kHeaderTime, &event.time},
      {kHeaderCorrelationId, &event.correlation_id},
  };
  for_each_header(record, [&](const HeaderView& header) {
    for (const auto& [name, slot] : known) {
      if (header.key == name && slot->empty() && header.value) {
        *slot = *header.value;
        return;
      }
    }
    if (header.key == kHeaderContentType && header.value) event.content_type = *header.value;
    if (header.key == kHeaderCausationId && header.value) event.causation_id = *header.value;
    event.others.push_back(header);
  });
  return event;
}

}  // namespace headrace::storage
