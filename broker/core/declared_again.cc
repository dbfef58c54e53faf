#include "broker/core/declared_again.h"

#include "broker/core/option_changes.h"
#include "metrics/quantity.h"

namespace headrace::core {
namespace {

class Differences {
 public:
  void add(const std::string& field, const std::string& existing, const std::string& asked) {
    if (existing == asked) return;
    if (!text_.empty()) text_ += "; ";
    text_ += field + " " + said(existing) + ", asked " + said(asked);
  }
  std::string of(const std::string& name) const {
    if (!text_.empty()) return "'" + name + "': " + text_;
    return "'" + name + "', just as it was asked for: with if_missing that is a success";
  }

 private:
  static std::string said(const std::string& value) { return value.empty() ? "none" : value; }

  std::string text_;
};

template <class Number>
std::string number_of(const std::optional<Number>& value) {
  return value ? std::to_string(*value) : std::string();
}

std::string text_of_position(const Position& position) {
  struct Text {
    std::string operator()(Earliest) const { return "earliest"; }
    std::string operator()(Latest) const { return "latest"; }
    std::string operator()(Offset offset) const {
      return "offset " + std::to_string(offset.value());
    }
    std::string operator()(AppendedAt at) const { return format_time_us(at.value()); }
  };
  return std::visit(Text(), position);
}

}  // namespace

std::string topic_exists_as(const Topic& existing, const CreateTopic& asked) {
  const auto duration = [](std::optional<int64_t> us) {
    return us ? format_duration_us(*us) : std::string();
  };
  const auto size = [](std::optional<int64_t> bytes) {
    return bytes ? format_size(*bytes) : std::string();
  };
  const auto dedup = [](const Dedup& given) {
    if (given.window_us == 0) return std::string();
    return format_duration_us(given.window_us) + " and " + std::to_string(given.max_ids) + " ids";
  };
  const Retention& was = existing.retention;
  const Retention& is = asked.retention;
  Differences found;
  found.add("partitions", std::to_string(existing.partitions), std::to_string(asked.partitions));
  found.add("retention by age", duration(was.age_us), duration(is.age_us));
  found.add("retention by size", size(was.bytes), size(is.bytes));
  found.add("retention by events", number_of(was.events), number_of(is.events));
  found.add("retention by months", number_of(was.months), number_of(is.months));
  found.add("dedup", dedup(existing.dedup), dedup(asked.dedup));
  return found.of(existing.name);
}

std::string group_exists_as(const std::string& name, const GroupOptions& existing,
                            const GroupOptions& asked) {
  const auto ordering = [](const GroupOptions& options) {
    return std::string(options.ordering == GroupOptions::Ordering::key ? "key" : "none");
  };
  Differences found;
  found.add("from", text_of_position(existing.from), text_of_position(asked.from));
  found.add("ordering", ordering(existing), ordering(asked));
  for (const AuditChange& one : option_changes(existing, asked)) {
    found.add(one.field, one.before, one.after);
  }
  return found.of(name);
}

}  // namespace headrace::core
