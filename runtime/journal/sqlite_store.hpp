// The transaction store on SQLite, over the host's Disk: every read, write, fsync and rename of the database
// goes through Disk, so that a test can kill the process at any of them. Completions run before the calls
// return.
#pragma once

#include <memory>
#include <string>

#include "runtime/base/host.hpp"

namespace signalbox::journal {

// Opens or creates the database file at `path` (its directory must exist). Errors: `io`; `malformed` for a
// file that is not a database or a damaged one (the message says what to do: restore or move it away);
// `unsupported` when it was written by a newer Signalbox. Keys and values are opaque bytes. commit():
// journal_mode=DELETE, synchronous=EXTRA (FULL does not make the journal's removal last, which is the
// commit): `committed` means on disk. A write error before the commit point is `conflict`-free: it answers
// `unknown`, since SQLite cannot say whether the last page went out. After it the next call opens the file
// anew, and what a read then shows is on disk too. A `conflict` leaves the remembered fence as it was.
// Versions are never used twice, not even by a key that was erased in between.
Result<std::unique_ptr<TransactionStore>> open_sqlite_store(Disk& disk, const std::string& path);

}  // namespace signalbox::journal
