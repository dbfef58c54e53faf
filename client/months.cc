#include "client/months.h"

namespace headrace::client {

using net::native::MessageType;

Result<proto::DropMonthOk> drop_month(Client& client, const proto::DropMonth& request) {
  return client.call<proto::DropMonthOk>(MessageType::drop_month, request, repeatable());
}

Result<proto::BeginImportOk> begin_import(Client& client, const proto::BeginImport& request) {
  return client.call<proto::BeginImportOk>(MessageType::begin_import, request, repeatable());
}

Result<proto::ImportBatchesOk> import_batches(Client& client, const proto::ImportBatches& request,
                                              SharedBytes batches) {
  CallOptions options;
  options.payload = std::move(batches);
  return client.call<proto::ImportBatchesOk>(MessageType::import_batches, request, options);
}

Result<proto::NoteExportOk> note_export(Client& client, const proto::NoteExport& request) {
  return client.call<proto::NoteExportOk>(MessageType::note_export, request, repeatable());
}

}  // namespace headrace::client
