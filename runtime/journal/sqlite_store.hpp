// The transaction store on SQLite, over the host's Disk: every read, write, fsync and rename of the database
// goes through Disk, so that a test can kill the process at any of them. Completions run before the calls return.
#pragma once

#include <memory>
#include <string>

#include "runtime/base/host.hpp"

namespace signalbox::journal {

// Opens or creates the database file at `path` (its directory must exist). Errors: `io`; `malformed` for a file
// that is not a database or a damaged one (the message says what to do: restore or move it away); `unsupported`
// when it was written by a newer Signalbox. Keys and values are opaque bytes.
// commit(): journal_mode=DELETE, synchronous=FULL: `committed` means on disk. A write error before the commit point
// is `conflict`-free: it answers `unknown`, since SQLite cannot say whether the last page went out.
Result<std::unique_ptr<TransactionStore>> open_sqlite_store(Disk& disk, const std::string& path);

}  // namespace signalbox::journal
