// schemas register / ls / get / diff / check / mode / delete
#include "client/schemas.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/schema.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

client::Error read_whole(const std::string& file, std::string* text) {
  std::ifstream opened;
  if (file != "-") opened.open(file, std::ios::binary);
  std::istream& from = file == "-" ? std::cin : opened;
  if (!from) return client::bad_argument("--file: '" + file + "' cannot be read");
  text->assign(std::istreambuf_iterator<char>(from), {});
  return {};
}

std::string as_line(const google::protobuf::RepeatedPtrField<proto::SchemaDifference>& found) {
  std::string out;
  for (const auto& one : found) {
    out += "  " + (one.path().empty() ? std::string("/") : one.path()) + " " + one.text() +
           (one.effect() == "none" ? "" : " (" + one.effect() + ")") + "\n";
  }
  return out;
}

template <class Fill>
int show(const ConnectArguments& connect, std::string words, const Fill& fill) {
  if (connect.json) {
    words.clear();
    JsonLine line(&words);
    fill(&line);
    line.end();
  }
  print(words);
  return kDone;
}

}  // namespace

int register_schema(const ConnectArguments& connect, const SchemaArguments& given) {
  std::string text;
  if (const auto error = read_whole(given.file, &text)) return report(error);
  proto::RegisterSchema request;
  request.set_type(given.type);
  request.set_format(given.message.empty() ? "json" : "protobuf");
  request.set_message(given.message);
  request.set_version(given.version);
  request.set_mode(given.mode);
  request.set_compatibility(given.compatibility);
  request.set_dry_run(given.dry_run);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto done = client::register_schema(*client.value, request, text);
  if (!done.ok()) return report(done.error);
  std::string words = given.type + " version " + std::to_string(done->version());
  words += given.dry_run ? " would be taken" : done->created() ? " is registered" : " is there";
  if (done->has_schema()) {
    words += ", validation " + done->schema().mode() + ", compatibility " +
             done->schema().compatibility();
  }
  return show(connect, words + "\n" + as_line(done->differences()),
              [&](JsonLine* line) { registered_fields(line, given.type, done.value); });
}

int list_schemas(const ConnectArguments& connect, const SchemaArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::string out;
  Table table({"TYPE", "VERSIONS", "FORMAT", "VALIDATION", "COMPATIBILITY", "CREATED"});
  proto::ListSchemas request;
  request.set_type(given.type);
  while (true) {
    const auto page = client::list_schemas(*client.value, request);
    if (!page.ok()) return report(page.error);
    for (const auto& type : page->schemas()) {
      if (connect.json) {
        JsonLine line(&out);
        schema_type_fields(&line, type);
        line.end();
        continue;
      }
      const auto& newest = *type.versions().rbegin();
      const auto first = type.versions().begin()->version();
      table.row({type.type(),
                 std::to_string(first) +
                     (first == newest.version() ? "" : "-" + std::to_string(newest.version())),
                 newest.format(), type.mode(), type.compatibility(),
                 format_time_us(newest.created_us())});
      request.set_after(type.type());
    }
    if (!page->more()) break;
    request.set_after(page->schemas().rbegin()->type());
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int show_schema(const ConnectArguments& connect, const SchemaArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::string text;
  const auto got = client::get_schema(*client.value, given.type, given.version, &text);
  if (!got.ok()) return report(got.error);
  if (!connect.json) {
    print(text);  // as it was registered, so that it can be redirected into a file
    return kDone;
  }
  return show(connect, "", [&](JsonLine* line) {
    schema_fields(line, got->schema());
    if (got->schema().format() == "json") line->text("schema", text);
  });
}

int delete_schema(const ConnectArguments& connect, const SchemaArguments& given) {
  if (given.version == 0 && !given.all) {
    return usage_error("schemas delete: --version N, or --all for every version");
  }
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto done = client::delete_schema(*client.value, given.type, given.version);
  if (!done.ok()) return report(done.error);
  return show(
      connect, given.type + ": " + std::to_string(done->deleted()) + " versions deleted\n",
      [&](JsonLine* line) { line->text("type", given.type).number("deleted", done->deleted()); });
}

int diff_schemas(const ConnectArguments& connect, const SchemaArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  proto::DiffSchemas request;
  request.set_type(given.type);
  request.set_from(given.from);
  request.set_to(given.to);
  const auto diff = client::diff_schemas(*client.value, request);
  if (!diff.ok()) return report(diff.error);
  std::string words = given.type + " from version " + std::to_string(diff->from()) + " to " +
                      std::to_string(diff->to()) + ": " +
                      (diff->backward() ? "backward" : "not backward") + " and " +
                      (diff->forward() ? "forward" : "not forward") + " compatible\n";
  return show(connect, words + as_line(diff->differences()),
              [&](JsonLine* line) { diff_fields(line, given.type, diff.value); });
}

int check_event(const ConnectArguments& connect, const SchemaArguments& given) {
  std::string value;
  if (const auto error = read_whole(given.file, &value)) return report(error);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto checked = client::check_event(*client.value, given.type, given.version, value);
  if (!checked.ok()) return report(checked.error);
  std::string words = given.type + " version " + std::to_string(checked->version()) +
                      (checked->issues().empty() ? ": it matches\n" : ": it does not match\n");
  for (const auto& issue : checked->issues()) {
    words += "  " + (issue.path().empty() ? std::string("/") : issue.path()) + ": " +
             issue.message() + "\n";
  }
  show(connect, words, [&](JsonLine* line) { check_fields(line, given.type, checked.value); });
  return checked->issues().empty() ? kDone : kFailed;
}

int update_schema_type(const ConnectArguments& connect, const SchemaArguments& given) {
  proto::UpdateSchemaType request;
  request.set_type(given.type);
  request.set_mode(given.mode);
  request.set_compatibility(given.compatibility);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto done = client::update_schema_type(*client.value, request);
  if (!done.ok()) return report(done.error);
  return show(connect,
              given.type + ": validation " + done->schema().mode() + ", compatibility " +
                  done->schema().compatibility() + "\n",
              [&](JsonLine* line) { schema_type_fields(line, done->schema()); });
}

}  // namespace headrace::cli
