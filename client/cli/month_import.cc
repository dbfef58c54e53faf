// months import: reads the file to its end first; then its partitions, one after the other, each of
// which is there as a whole or not at all. What is there already is passed over.
#include <cerrno>
#include <cstring>
#include <map>

#include "client/admin.h"
#include "client/cli/month_files.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "client/months.h"
#include "json/json_line.h"

namespace headrace::cli {
namespace {

constexpr size_t kRequestBytes = 512u << 10;

client::Error damaged_month(const std::string& file, const std::string& why) {
  return client::bad_reply(file + ": " + why + "; nothing was imported");
}

// Twice over the same file: to its end, and then to send it.
client::Error read_through(const MonthArguments& given, storage::MonthFileHeader* header,
                           storage::MonthFileTotals* totals) {
  const File file(std::fopen(given.file.c_str(), "rb"));
  if (file == nullptr) return client::bad_argument(given.file + ": " + std::strerror(errno));
  auto reader = reader_of(file.get());
  if (!reader.open()) return damaged_month(given.file, reader.error());
  storage::MonthFileBatch batch;
  auto next = storage::MonthFileReader::Next::batch;
  while (next == storage::MonthFileReader::Next::batch) next = reader.next(&batch);
  if (next == storage::MonthFileReader::Next::damaged)
    return damaged_month(given.file, reader.error());
  *header = reader.header();
  *totals = reader.totals();
  return {};
}

class MonthImporter {
 public:
  MonthImporter(client::Client& client, const MonthArguments& given,
                const storage::MonthFileHeader& header, const storage::MonthFileTotals& totals)
      : client_(client),
        given_(given),
        header_(header),
        totals_(totals),
        pace_(given.rate_bytes, totals.events),
        present_(header.ranges.size()) {}

  client::Error run();
  std::string report_json() const;
  std::string report_text() const;

 private:
  bool wanted(uint32_t topic) const;
  std::string name_of(uint32_t topic) const;
  client::Error make_topics();
  client::Error begin(uint32_t range);
  client::Error send();
  client::Error add(storage::MonthFileBatch batch);

  client::Client& client_;
  const MonthArguments& given_;
  const storage::MonthFileHeader& header_;
  const storage::MonthFileTotals& totals_;
  Pace pace_;
  std::map<uint32_t, bool> same_;  // topics: is it the one that the file is of
  std::vector<bool> present_;      // ranges: was there already
  std::optional<uint32_t> range_;  // the one that is sent
  proto::ImportBatches request_;
  std::string payload_;
  uint64_t events_ = 0;  // in the request
};

bool MonthImporter::wanted(uint32_t topic) const {
  const auto& names = given_.topics;
  return names.empty() ||
         std::find(names.begin(), names.end(), header_.topics[topic].name) != names.end();
}

std::string MonthImporter::name_of(uint32_t topic) const {
  return given_.into.empty() ? header_.topics[topic].name : given_.into;
}

// Without retention: what comes back should stay.
client::Error MonthImporter::make_topics() {
  for (uint32_t i = 0; i < header_.topics.size(); ++i) {
    if (!wanted(i)) continue;
    const auto& topic = header_.topics[i];
    const auto known = client::metadata(client_, {name_of(i)});
    if (known.ok()) {
      if (known->topics(0).partitions() < topic.partitions) {
        return client::bad_reply(name_of(i) + " has " +
                                 std::to_string(known->topics(0).partitions()) +
                                 " partitions, the file has " + std::to_string(topic.partitions));
      }
      same_[i] =
          known->cluster_id() == header_.cluster_id && known->topics(0).id() == topic.id.value();
      continue;
    }
    proto::CreateTopic request;
    request.set_name(name_of(i));
    request.set_partitions(topic.partitions);
    request.mutable_retention();
    const auto made = client::create_topic(client_, request);
    if (!made.ok()) return made.error;
    same_[i] = false;
  }
  return {};
}

client::Error MonthImporter::begin(uint32_t range) {
  const auto& of = header_.ranges[range];
  range_ = range;
  if (!wanted(of.topic)) return {};
  proto::BeginImport request;
  request.set_topic(name_of(of.topic));
  request.set_partition(of.partition.value());
  request.set_month(header_.month.value());
  request.set_first_offset(of.first.value());
  request.set_end_offset(of.end.value());
  request.set_digest(totals_.digests[range]);
  request.set_file_hash(to_hex(totals_.hash));
  const auto begun = client::begin_import(client_, request);
  if (begun.ok()) present_[range] = begun->present();
  return begun.error;
}

client::Error MonthImporter::send() {
  if (payload_.empty()) return {};
  const auto& of = header_.ranges[*range_];
  request_.set_topic(name_of(of.topic));
  request_.set_partition(of.partition.value());
  const size_t bytes = payload_.size();
  const auto done = client::import_batches(client_, request_, SharedBytes::copy_of(payload_));
  pace_.moved(bytes, events_);
  request_.Clear();
  payload_.clear();
  events_ = 0;
  return done.error;
}

client::Error MonthImporter::add(storage::MonthFileBatch batch) {
  if (range_ != batch.range) {
    if (const auto error = send()) return error;
    if (const auto error = begin(batch.range)) return error;
  }
  if (!wanted(header_.ranges[batch.range].topic) || present_[batch.range]) return {};
  if (!payload_.empty() && payload_.size() + batch.bytes.size() > kRequestBytes) {
    if (const auto error = send()) return error;
  }
  request_.add_batch_sizes(static_cast<uint32_t>(batch.bytes.size()));
  request_.add_append_times_us(batch.append_time_us);
  request_.add_violations(batch.violations);
  payload_ += batch.bytes;
  events_ += static_cast<uint64_t>(batch.header.record_count);
  return {};
}

client::Error MonthImporter::run() {
  if (const auto error = make_topics()) return error;
  const File file(std::fopen(given_.file.c_str(), "rb"));
  if (file == nullptr) return client::bad_argument(given_.file + ": " + std::strerror(errno));
  auto reader = reader_of(file.get());
  if (!reader.open()) return damaged_month(given_.file, reader.error());
  storage::MonthFileBatch batch;
  while (true) {
    const auto next = reader.next(&batch);
    if (next == storage::MonthFileReader::Next::damaged) {
      return client::bad_reply(given_.file + " was changed meanwhile: " + reader.error());
    }
    if (next == storage::MonthFileReader::Next::end) return send();
    if (interrupted()) return client::bad_reply("interrupted: run it again, it goes on");
    if (const auto error = add(std::move(batch))) return error;
  }
}

std::string MonthImporter::report_json() const {
  std::string out;
  for (size_t i = 0; i < header_.ranges.size(); ++i) {
    const auto& range = header_.ranges[i];
    if (!wanted(range.topic)) continue;
    JsonLine(&out)
        .text("topic", name_of(range.topic))
        .number("partition", range.partition.value())
        .number("month", header_.month.value())
        .number("first_offset", range.first.value())
        .number("end_offset", range.end.value())
        .text("result", present_[i] ? "present" : "imported")
        .boolean("same_topic", same_.at(range.topic))
        .end();
  }
  return out;
}

std::string MonthImporter::report_text() const {
  Table table({"TOPIC", "PARTITION", "OFFSETS", "RESULT", "COMPUTED IDS"});
  for (size_t i = 0; i < header_.ranges.size(); ++i) {
    const auto& range = header_.ranges[i];
    if (!wanted(range.topic)) continue;
    table.row({name_of(range.topic), std::to_string(range.partition.value()),
               std::to_string(range.first.value()) + "-" + std::to_string(range.end.value() - 1),
               present_[i] ? "present" : "imported",
               same_.at(range.topic) ? "as they were" : "with another topic's number"});
  }
  return table.text();
}

}  // namespace

int import_month(const ConnectArguments& connect, const MonthArguments& given) {
  if (!given.into.empty() && given.topics.size() != 1) {
    return usage_error("--into names one topic: say which one of the file by --topic");
  }
  storage::MonthFileHeader header;
  storage::MonthFileTotals totals;
  if (const auto error = read_through(given, &header, &totals)) return report(error);
  for (const std::string& name : given.topics) {
    const bool known = std::any_of(header.topics.begin(), header.topics.end(),
                                   [&](const auto& topic) { return topic.name == name; });
    if (!known) return report(client::bad_argument(given.file + " has no topic '" + name + "'"));
  }
  if (given.only_check) {
    std::string out;
    JsonLine(&out)
        .text("file", given.file)
        .number("month", header.month.value())
        .text("tenant", header.tenant)
        .number("topics", static_cast<int64_t>(header.topics.size()))
        .number("partitions", static_cast<int64_t>(header.ranges.size()))
        .number("events", static_cast<int64_t>(totals.events))
        .number("bytes", static_cast<int64_t>(totals.bytes))
        .text("sha256", to_hex(totals.hash))
        .end();
    print(connect.json ? out
                       : given.file + " is whole: " + std::to_string(totals.events) +
                             " events, sha256 " + to_hex(totals.hash) + "\n");
    return kDone;
  }
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  catch_interrupts();
  MonthImporter importer(*client.value, given, header, totals);
  if (const auto error = importer.run()) return report(error);
  print(connect.json ? importer.report_json() : importer.report_text());
  return kDone;
}

}  // namespace headrace::cli
