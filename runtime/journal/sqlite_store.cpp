#include "runtime/journal/sqlite_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <string_view>
#include <utility>

#include "runtime/journal/disk_vfs.hpp"

namespace signalbox::journal {
namespace {

constexpr std::int64_t schema_version = 1;
constexpr std::int64_t application_id = 0x53424f58;  // "SBOX": tells our files from other databases

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;

// A prepared statement. The first failure sticks, so a caller looks once, at the end.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql) {
    rc_ = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  // Views must live until the statement is bound again or gone.
  Statement& bind(int at, std::string_view bytes) {
    if (rc_ == SQLITE_OK)
      rc_ = sqlite3_bind_blob64(statement_, at, bytes.data(), bytes.size(), SQLITE_STATIC);
    return *this;
  }
  Statement& bind(int at, std::int64_t number) {
    if (rc_ == SQLITE_OK) rc_ = sqlite3_bind_int64(statement_, at, number);
    return *this;
  }
  // True while there is a row; false at the end and on failure.
  bool step() {
    if (rc_ != SQLITE_OK) return false;
    const int rc = sqlite3_step(statement_);
    if (rc == SQLITE_ROW) return true;
    if (rc != SQLITE_DONE) rc_ = rc;
    return false;
  }
  // Runs to the end and makes ready for other values.
  int run() {
    while (step()) {
    }
    return reset();
  }
  // Ends a run early; a statement that stands on a row holds its transaction open.
  int reset() {
    sqlite3_reset(statement_);
    return rc_;
  }
  int rc() const { return rc_; }
  std::int64_t number(int column) { return sqlite3_column_int64(statement_, column); }
  std::string bytes(int column) {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return data ? std::string(static_cast<const char*>(data), static_cast<std::size_t>(size)) : std::string();
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int rc_ = SQLITE_OK;
};

// The least string above all that start with `prefix`; nothing when there is none.
std::optional<std::string> after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return {};
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

class SqliteStore final : public TransactionStore {
 public:
  SqliteStore(Disk& disk, std::string path, std::unique_ptr<DiskVfs> vfs)
      : disk_(disk), path_(std::move(path)), vfs_(std::move(vfs)) {}

  void commit(StoreTransaction transaction, std::function<void(CommitOutcome)> completion) override {
    completion(commit_now(transaction));
  }

  void read(std::string prefix, std::function<void(Result<std::vector<StoreEntry>>)> completion) override {
    completion(with_connection([&] { return read_now(prefix); }));
  }

  void read_fence(std::function<void(Result<std::uint64_t>)> completion) override {
    completion(with_connection([&]() -> Result<std::uint64_t> {
      std::int64_t fence = 0;
      if (const int rc = read_meta("fence", fence)) return fail(rc);
      return static_cast<std::uint64_t>(fence);
    }));
  }

  // A connection to a checked database whose state lasts. After a failure there is none, and the next call
  // begins anew: opening plays a left-over journal back, and the syncs make sure that nothing a reader is
  // shown now can be undone by a crash later.
  Result<void> connect() {
    if (db_) return {};
    if (auto ok = open(); !ok) {
      db_.reset();
      return ok;
    }
    return {};
  }

 private:
  template <class Call>
  auto with_connection(Call call) -> decltype(call()) {
    if (auto ok = connect(); !ok) return ok.error();
    auto result = call();
    if (!result) db_.reset();
    return result;
  }

  int run(std::string_view sql) { return Statement(db_.get(), sql).run(); }

  Error damaged(const std::string& what) const {
    return {
        ErrorCode::malformed, fmt::format("{} {}", path_, what),
        fmt::format("restore {0} from a backup, or move it and {0}-journal away to begin with an empty state",
                    path_)};
  }

  Error fail(int rc) {
    const std::optional<Error> disk = vfs_->take_error();
    switch (rc & 0xff) {
      case SQLITE_NOTADB:
        return damaged("is not a Signalbox state file");
      case SQLITE_CORRUPT:
      case SQLITE_MISMATCH:
        return damaged("is damaged");
      default:
        break;
    }
    if (disk) return {ErrorCode::io, disk->message, disk->hint};
    // Without a word from the disk it is the file: one in WAL mode cannot be opened, one without our tables
    // not read.
    if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_ERROR)
      return damaged("is not a Signalbox state file");
    return {ErrorCode::io, fmt::format("{}: {}", path_, sqlite3_errstr(rc))};
  }

  int read_meta(std::string_view name, std::int64_t& value) {
    Statement s(db_.get(), "SELECT value FROM meta WHERE name = ?1");
    s.bind(1, name);
    if (s.step()) {
      value = s.number(0);
      return SQLITE_OK;
    }
    return s.rc() == SQLITE_OK ? SQLITE_CORRUPT : s.rc();
  }
  int write_meta(std::string_view name, std::int64_t value) {
    Statement s(db_.get(), "REPLACE INTO meta (name, value) VALUES (?1, ?2)");
    return s.bind(1, name).bind(2, value).run();
  }

  Result<void> open() {
    vfs_->take_error();
    sqlite3* db = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    const int rc = sqlite3_open_v2(path_.c_str(), &db, flags, vfs_->name().c_str());
    db_.reset(db);
    if (rc) return fail(rc);
    if (auto ok = configure(); !ok) return ok;
    if (auto ok = check_owner(); !ok) return ok;
    auto file = disk_.open(path_, Disk::Open::existing);
    if (!file) return Error{ErrorCode::io, file.error().message};
    if (auto ok = (*file)->sync(); !ok) return ok;
    return disk_.sync_directory(directory_of(path_));
  }

  // EXTRA is FULL plus a sync of the directory after the journal is removed. Removing it is the commit, so
  // without that sync a crash could take back what was answered with `committed`.
  Result<void> configure() {
    sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    for (const char* pragma :
         {"PRAGMA temp_store=MEMORY", "PRAGMA mmap_size=0", "PRAGMA page_size=4096",
          "PRAGMA cell_size_check=ON", "PRAGMA synchronous=EXTRA", "PRAGMA journal_mode=DELETE"})
      if (const int rc = run(pragma)) return fail(rc);
    return {};
  }

  Result<void> check_owner() {
    Statement schema(db_.get(), "SELECT count(*) FROM sqlite_schema");
    const bool is_empty = schema.step() && schema.number(0) == 0;
    if (schema.reset()) return fail(schema.rc());
    Statement id(db_.get(), "PRAGMA application_id");
    const bool is_ours = id.step() && id.number(0) == application_id;
    if (id.reset()) return fail(id.rc());
    if (is_empty && !is_ours) return create();
    if (!is_ours) return damaged("is not a Signalbox state file");
    std::int64_t found = 0;
    if (const int rc = read_meta("schema", found)) return fail(rc);
    if (found > schema_version)
      return Error{ErrorCode::unsupported,
                   fmt::format("{} was written by a newer Signalbox (schema {}; this one knows {})", path_,
                               found, schema_version),
                   "run the newer one, or give this one a state directory of its own"};
    Statement check(db_.get(), "PRAGMA quick_check(1)");
    const bool is_sound = check.step() && check.bytes(0) == "ok";
    if (check.reset()) return fail(check.rc());
    if (!is_sound) return damaged("is damaged");
    return {};
  }

  Result<void> create() {
    const std::string set_id = fmt::format("PRAGMA application_id={}", application_id);
    for (std::string_view sql :
         {std::string_view("BEGIN IMMEDIATE"), std::string_view(set_id),
          std::string_view(
              "CREATE TABLE meta (name BLOB PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID"),
          std::string_view("CREATE TABLE entries (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL, "
                           "version INTEGER NOT NULL) WITHOUT ROWID")})
      if (const int rc = run(sql)) return fail(rc);
    for (const auto& [name, value] : {std::pair("schema", schema_version), {"fence", 0}, {"last_version", 0}})
      if (const int rc = write_meta(name, value)) return fail(rc);
    if (const int rc = run("COMMIT")) return fail(rc);
    return {};
  }

  CommitOutcome commit_now(const StoreTransaction& transaction) {
    if (!connect()) return CommitOutcome::unknown;
    if (int rc = run("BEGIN IMMEDIATE"); rc == SQLITE_OK) {
      bool conflict = false;
      rc = check(transaction, conflict);
      if (rc == SQLITE_OK && !conflict) rc = write(transaction);
      if (rc == SQLITE_OK && conflict && run("ROLLBACK") == SQLITE_OK) return CommitOutcome::conflict;
      if (rc == SQLITE_OK && !conflict && run("COMMIT") == SQLITE_OK) return CommitOutcome::committed;
    }
    // What is left, memory and files, is sorted out by opening again.
    db_.reset();
    return CommitOutcome::unknown;
  }

  int check(const StoreTransaction& transaction, bool& conflict) {
    std::int64_t fence = 0;
    if (const int rc = read_meta("fence", fence)) return rc;
    conflict = transaction.fence < static_cast<std::uint64_t>(fence);
    Statement find(db_.get(), "SELECT version FROM entries WHERE key = ?1");
    for (const auto& compare : transaction.compares) {
      if (conflict) break;
      find.bind(1, compare.key);
      const std::uint64_t version = find.step() ? static_cast<std::uint64_t>(find.number(0)) : 0;
      conflict = version != compare.version;
      if (const int rc = find.reset()) return rc;
    }
    return find.rc();
  }

  // Versions come from one counter for all keys, so that a key which is erased and put again does not get an
  // old one.
  int write(const StoreTransaction& transaction) {
    std::int64_t version = 0;
    if (const int rc = read_meta("last_version", version)) return rc;
    Statement put(db_.get(), "REPLACE INTO entries (key, value, version) VALUES (?1, ?2, ?3)");
    Statement erase(db_.get(), "DELETE FROM entries WHERE key = ?1");
    for (const auto& [key, value] : transaction.puts) {
      const int rc =
          value ? put.bind(1, key).bind(2, *value).bind(3, ++version).run() : erase.bind(1, key).run();
      if (rc) return rc;
    }
    if (const int rc = put.rc() ? put.rc() : erase.rc()) return rc;
    if (const int rc = write_meta("last_version", version)) return rc;
    return write_meta("fence", static_cast<std::int64_t>(transaction.fence));
  }

  Result<std::vector<StoreEntry>> read_now(const std::string& prefix) {
    const std::optional<std::string> end = after_prefix(prefix);
    Statement find(db_.get(),
                   end ? "SELECT key, value, version FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key"
                       : "SELECT key, value, version FROM entries WHERE key >= ?1 ORDER BY key");
    find.bind(1, prefix);
    if (end) find.bind(2, *end);
    std::vector<StoreEntry> entries;
    while (find.step())
      entries.push_back({find.bytes(0), find.bytes(1), static_cast<std::uint64_t>(find.number(2))});
    if (find.rc()) return fail(find.rc());
    return entries;
  }

  Disk& disk_;
  std::string path_;
  std::unique_ptr<DiskVfs> vfs_;
  Connection db_;
};

}  // namespace

Result<std::unique_ptr<TransactionStore>> open_sqlite_store(Disk& disk, const std::string& path) {
  auto vfs = DiskVfs::make(disk);
  if (!vfs) return vfs.error();
  auto store = std::make_unique<SqliteStore>(disk, path, *std::move(vfs));
  if (auto ok = store->connect(); !ok) return ok.error();
  return std::unique_ptr<TransactionStore>(std::move(store));
}

}  // namespace signalbox::journal
