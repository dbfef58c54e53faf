// months export: a month as a file. What it holds is fixed by one look at the topics; then it is
// read like any consumer reads.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "client/admin.h"
#include "client/cli/month_files.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "client/months.h"
#include "json/json_line.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

constexpr uint32_t kFetchBytes = 1u << 20;

client::Error export_failed(const std::string& what) {
  return client::bad_reply(what);
}

// What a partition has of the month; a label that comes twice counts as far as it is one piece.
void add_range(const proto::PartitionInfo& info, uint32_t month, uint32_t topic,
               storage::MonthFileHeader* header) {
  Offset first(-1);
  Offset end(-1);
  for (const auto& span : info.months()) {
    const Offset from(std::max(span.first_offset(), info.log_start()));
    const Offset to(std::min(span.first_offset() + span.events(), info.visible_end()));
    if (span.month() != month || to <= from) continue;
    if (end >= Offset(0) && from != end) continue;
    if (first < Offset(0)) first = from;
    end = to;
  }
  if (end > first) header->ranges.push_back({topic, PartitionId(info.partition()), first, end});
}

client::Result<storage::MonthFileHeader> look_at_topics(client::Client& client,
                                                        const MonthArguments& given) {
  const auto known = client::metadata(client, given.topics);
  if (!known.ok()) return known.error;
  const auto hello = client.connect();
  if (!hello.ok()) return hello.error;
  storage::MonthFileHeader header;
  header.cluster_id = known->cluster_id();
  header.tenant = hello->tenant();
  header.month = Month(given.month);
  header.created_us = int64_t{std::time(nullptr)} * kMicrosPerSecond;
  for (const proto::Topic& topic : known->topics()) {
    // The broker's own events are told from the audit trail, which has an export of its own.
    if (topic.state() != "active" || topic.name().starts_with('$')) continue;
    const auto described = client::describe_topic(client, topic.name());
    if (!described.ok()) return described.error;
    const auto number = static_cast<uint32_t>(header.topics.size());
    const size_t before = header.ranges.size();
    for (const auto& info : described->partitions()) {
      add_range(info, given.month, number, &header);
    }
    if (header.ranges.size() == before) continue;
    header.topics.push_back({TopicId(topic.id()), topic.name(), topic.partitions()});
  }
  return header;
}

// Batches of one fetch; the offset behind them in *next.
client::Error copy_some(client::Client& client, const storage::MonthFileHeader& header,
                        uint32_t range, Offset* next, storage::MonthFileWriter* writer,
                        Pace* pace) {
  const auto& wanted = header.ranges[range];
  proto::Fetch request;
  request.set_topic(header.topics[wanted.topic].name);
  request.set_partition(wanted.partition.value());
  request.set_offset(next->value());
  request.set_max_bytes(kFetchBytes);
  SharedBytes batches;
  const auto fetched = client::fetch(client, request, &batches);
  if (!fetched.ok()) return fetched.error;
  if (fetched->batch_sizes_size() == 0 ||
      fetched->append_times_us_size() != fetched->batch_sizes_size()) {
    return export_failed("the broker gave no batch at offset " + std::to_string(next->value()));
  }
  const bool kept_back = fetched->violations_size() == fetched->batch_sizes_size();
  const std::string_view bytes(reinterpret_cast<const char*>(batches.data()), batches.size());
  size_t at = 0;
  for (int i = 0; i < fetched->batch_sizes_size() && *next < wanted.end; ++i) {
    if (fetched->batch_sizes(i) > bytes.size() - at) return export_failed("a reply does not parse");
    const auto batch = bytes.substr(at, fetched->batch_sizes(i));
    at += batch.size();
    const auto header_of_it = storage::read_header(std::as_bytes(std::span(batch)));
    if (!header_of_it || !writer->add(range, fetched->append_times_us(i), batch,
                                      kept_back ? fetched->violations(i) : std::string())) {
      return export_failed("the file: " + writer->error());
    }
    *next = *next + header_of_it->record_count;
    pace->moved(batch.size(), static_cast<uint64_t>(header_of_it->record_count));
  }
  return {};
}

client::Error copy_all(client::Client& client, const storage::MonthFileHeader& header,
                       uint64_t rate_bytes, std::FILE* file, storage::MonthFileTotals* totals) {
  auto writer = writer_of(file);
  if (!writer.begin(header)) return export_failed("the file: " + writer.error());
  uint64_t events = 0;
  for (const auto& range : header.ranges) events += static_cast<uint64_t>(range.end - range.first);
  Pace pace(rate_bytes, events);
  for (uint32_t i = 0; i < header.ranges.size(); ++i) {
    for (Offset next = header.ranges[i].first; next < header.ranges[i].end;) {
      if (interrupted()) return export_failed("interrupted: there is no file");
      const auto error = copy_some(client, header, i, &next, &writer, &pace);
      if (error) return error;
    }
  }
  if (!writer.finish(totals)) return export_failed("the file: " + writer.error());
  if (!sync_file(file)) return export_failed(std::string("the file: ") + std::strerror(errno));
  return {};
}

void print_export(const ConnectArguments& connect, const MonthArguments& given,
                  const storage::MonthFileHeader& header, const storage::MonthFileTotals& totals) {
  std::string out;
  if (connect.json) {
    JsonLine(&out)
        .text("file", given.file)
        .number("month", given.month)
        .text("tenant", header.tenant)
        .number("topics", static_cast<int64_t>(header.topics.size()))
        .number("partitions", static_cast<int64_t>(header.ranges.size()))
        .number("events", static_cast<int64_t>(totals.events))
        .number("bytes", static_cast<int64_t>(totals.bytes))
        .text("sha256", to_hex(totals.hash))
        .end();
  } else {
    out = given.file + ": " + std::to_string(totals.events) + " events of " +
          std::to_string(header.topics.size()) + " topics, sha256 " + to_hex(totals.hash) + "\n";
  }
  print(out);
}

}  // namespace

int export_month(const ConnectArguments& connect, const MonthArguments& given) {
  if (access(given.file.c_str(), F_OK) == 0) return usage_error(given.file + " exists");
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto header = look_at_topics(*client.value, given);
  if (!header.ok()) return report(header.error);
  if (header->ranges.empty()) {
    return report(export_failed("there are no events of month " + std::to_string(given.month)));
  }
  catch_interrupts();
  const std::string unfinished = given.file + ".part";
  const File file(std::fopen(unfinished.c_str(), "wb"));
  if (file == nullptr) return report(export_failed(unfinished + ": " + std::strerror(errno)));
  storage::MonthFileTotals totals;
  auto error = copy_all(*client.value, header.value, given.rate_bytes, file.get(), &totals);
  if (!error) {
    // In the trail first: there is no whole file that it does not tell of.
    proto::NoteExport note;
    note.set_month(given.month);
    note.set_events(static_cast<int64_t>(totals.events));
    note.set_bytes(static_cast<int64_t>(totals.bytes));
    note.set_file_hash(to_hex(totals.hash));
    error = client::note_export(*client.value, note).error;
  }
  if (!error && std::rename(unfinished.c_str(), given.file.c_str()) != 0) {
    error = export_failed(given.file + ": " + std::strerror(errno));
  }
  if (error) {
    unlink(unfinished.c_str());
    return report(error);
  }
  print_export(connect, given, header.value, totals);
  return kDone;
}

}  // namespace headrace::cli
