// Months of the caller's tenant: blocking calls, as admin.h. docs/months.md.
#pragma once

#include "client/client.h"

namespace headrace::client {

// Asked again while acked groups let go of it.
Result<proto::DropMonthOk> drop_month(Client& client, const proto::DropMonth& request);
Result<proto::BeginImportOk> begin_import(Client& client, const proto::BeginImport& request);
// Once: after a broken connection the import begins again.
Result<proto::ImportBatchesOk> import_batches(Client& client, const proto::ImportBatches& request,
                                              SharedBytes batches);
Result<proto::NoteExportOk> note_export(Client& client, const proto::NoteExport& request);

}  // namespace headrace::client
