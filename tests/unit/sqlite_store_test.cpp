#include "runtime/journal/sqlite_store.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "runtime/net/posix_disk.hpp"
#include "tests/support/crash_disk.hpp"
#include "tests/support/store.hpp"

namespace signalbox::journal {
namespace {

using test::commit;
using test::CrashDisk;
using test::read;
using test::read_fence;

const std::string path = "/state/store.db";

class SqliteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.make_directory("/state"));
    ASSERT_TRUE(disk_.sync_directory("/"));
  }
  std::unique_ptr<TransactionStore> open() {
    auto store = open_sqlite_store(disk_, path);
    EXPECT_TRUE(store) << store.error().message;
    return store ? *std::move(store) : nullptr;
  }
  static std::string all(TransactionStore& store, const std::string& prefix = "") {
    std::string out;
    auto entries = read(store, prefix);
    if (!entries) return entries.error().message;
    for (const auto& e : *entries) out += e.key + "=" + e.value + ";";
    return out;
  }
  static std::uint64_t version(TransactionStore& store, const std::string& key) {
    auto entries = read(store, key);
    return entries && !entries->empty() ? entries->front().version : 0;
  }

  CrashDisk disk_;
};

TEST_F(SqliteStoreTest, KeepsWhatWasCommittedOverReopening) {
  {
    auto store = open();
    EXPECT_EQ(*read_fence(*store), 0u);
    EXPECT_EQ(commit(*store, {.fence = 3, .compares = {}, .puts = {{"a", "1"}, {"b", "2"}}}),
              CommitOutcome::committed);
  }
  auto store = open();
  EXPECT_EQ(all(*store), "a=1;b=2;");
  EXPECT_EQ(*read_fence(*store), 3u);
  EXPECT_EQ(
      commit(*store, {.fence = 3, .compares = {}, .puts = {{"a", std::nullopt}, {"absent", std::nullopt}}}),
      CommitOutcome::committed);
  EXPECT_EQ(all(*store), "b=2;");
}

TEST_F(SqliteStoreTest, RefusesOlderFencesOnly) {
  auto store = open();
  const auto with = [&](std::uint64_t fence) {
    return commit(*store, {.fence = fence, .compares = {}, .puts = {{"k", std::to_string(fence)}}});
  };
  EXPECT_EQ(with(5), CommitOutcome::committed);
  EXPECT_EQ(with(5), CommitOutcome::committed);
  EXPECT_EQ(with(4), CommitOutcome::conflict);
  EXPECT_EQ(all(*store), "k=5;");
  const std::uint64_t most = ~std::uint64_t{0};
  EXPECT_EQ(with(most), CommitOutcome::committed);
  EXPECT_EQ(with(most - 1), CommitOutcome::conflict);
  EXPECT_EQ(*read_fence(*store), most);
}

TEST_F(SqliteStoreTest, ComparesVersionsAndAbsence) {
  auto store = open();
  EXPECT_EQ(commit(*store, {.fence = 0, .compares = {{"a", 0}}, .puts = {{"a", "1"}}}),
            CommitOutcome::committed);
  EXPECT_EQ(commit(*store, {.fence = 0, .compares = {{"a", 0}}, .puts = {{"a", "2"}}}),
            CommitOutcome::conflict);
  const std::uint64_t first = version(*store, "a");
  EXPECT_NE(first, 0u);
  EXPECT_EQ(commit(*store, {.fence = 9, .compares = {{"a", first + 1}}, .puts = {{"a", "2"}}}),
            CommitOutcome::conflict);
  EXPECT_EQ(*read_fence(*store), 0u);
  EXPECT_EQ(commit(*store, {.fence = 0, .compares = {{"a", first}, {"b", 0}}, .puts = {{"a", "2"}}}),
            CommitOutcome::committed);
  const std::uint64_t second = version(*store, "a");
  EXPECT_GT(second, first);
  EXPECT_EQ(commit(*store, {.fence = 0, .compares = {{"a", second}, {"b", 7}}, .puts = {{"a", "3"}}}),
            CommitOutcome::conflict);
  EXPECT_EQ(all(*store), "a=2;");
}

TEST_F(SqliteStoreTest, VersionsAreNotReusedAfterErasing) {
  auto store = open();
  commit(*store, {.fence = 0, .compares = {}, .puts = {{"a", "1"}}});
  const std::uint64_t first = version(*store, "a");
  commit(*store, {.fence = 0, .compares = {}, .puts = {{"a", std::nullopt}}});
  commit(*store, {.fence = 0, .compares = {}, .puts = {{"a", "2"}}});
  EXPECT_GT(version(*store, "a"), first);
  EXPECT_EQ(commit(*store, {.fence = 0, .compares = {{"a", first}}, .puts = {}}), CommitOutcome::conflict);
}

TEST_F(SqliteStoreTest, LastPutOfAKeyWins) {
  auto store = open();
  commit(*store,
         {.fence = 0, .compares = {}, .puts = {{"a", "1"}, {"a", std::nullopt}, {"a", "2"}, {"b", "x"}}});
  EXPECT_EQ(all(*store), "a=2;b=x;");
}

TEST_F(SqliteStoreTest, ReadsByPrefixInOrderOfBytes) {
  auto store = open();
  const std::string nul("a\0b", 3), high("\xff\xff", 2);
  commit(
      *store,
      {.fence = 0,
       .compares = {},
       .puts = {
           {"b", "1"}, {"a", "2"}, {nul, "3"}, {"a\xff", "4"}, {"a\xff\xff", "5"}, {high, "6"}, {"", ""}}});
  EXPECT_EQ(all(*store, "a"), "a=2;" + nul + "=3;a\xff=4;a\xff\xff=5;");
  EXPECT_EQ(all(*store, "a\xff"), "a\xff=4;a\xff\xff=5;");
  EXPECT_EQ(all(*store, "\xff"), high + "=6;");
  EXPECT_EQ(all(*store, std::string("a\0", 2)), nul + "=3;");
  EXPECT_EQ(all(*store, "c"), "");
  EXPECT_EQ(read(*store, "")->size(), 7u);
  EXPECT_EQ(read(*store, "")->front().key, "");
}

TEST_F(SqliteStoreTest, CarriesLargeValuesOfAnyBytes) {
  auto store = open();
  std::string value;
  for (int i = 0; i < 300'000; ++i) value.push_back(static_cast<char>(i * 31));
  commit(*store, {.fence = 0, .compares = {}, .puts = {{"big", value}}});
  EXPECT_EQ(read(*store)->front().value, value);
}

TEST_F(SqliteStoreTest, AnswersUnknownAfterAWriteErrorAndThenTellsTheTruth) {
  auto store = open();
  ASSERT_EQ(commit(*store, {.fence = 1, .compares = {}, .puts = {{"a", "1"}}}), CommitOutcome::committed);
  disk_.error_at(1);
  EXPECT_EQ(commit(*store, {.fence = 2, .compares = {}, .puts = {{"a", "2"}}}), CommitOutcome::unknown);
  EXPECT_EQ(all(*store), "a=1;");
  EXPECT_EQ(*read_fence(*store), 1u);
  EXPECT_EQ(commit(*store, {.fence = 2, .compares = {}, .puts = {{"a", "2"}}}), CommitOutcome::committed);
  EXPECT_EQ(all(*store), "a=2;");
}

TEST_F(SqliteStoreTest, SaysWhatTheDiskSaid) {
  auto store = open();
  disk_.fail_at(1);
  EXPECT_EQ(commit(*store, {.fence = 2, .compares = {}, .puts = {{"a", "2"}}}), CommitOutcome::unknown);
  auto entries = read(*store);
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().code, ErrorCode::io);
  EXPECT_NE(entries.error().message.find(path), std::string::npos) << entries.error().message;
}

TEST_F(SqliteStoreTest, ManyStoresSideBySide) {
  auto a = open_sqlite_store(disk_, "/state/a.db");
  auto b = open_sqlite_store(disk_, "/state/b.db");
  ASSERT_TRUE(a && b);
  commit(**a, {.fence = 0, .compares = {}, .puts = {{"k", "a"}}});
  commit(**b, {.fence = 0, .compares = {}, .puts = {{"k", "b"}}});
  EXPECT_EQ(all(**a), "k=a;");
  EXPECT_EQ(all(**b), "k=b;");
}

TEST_F(SqliteStoreTest, MissingDirectoryIsAnIoError) {
  auto store = open_sqlite_store(disk_, "/nowhere/store.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::io);
  EXPECT_NE(store.error().message.find("/nowhere"), std::string::npos) << store.error().message;
}

void expect_malformed(CrashDisk& disk, const std::string& what) {
  auto store = open_sqlite_store(disk, path);
  ASSERT_FALSE(store) << what;
  EXPECT_EQ(store.error().code, ErrorCode::malformed) << what << ": " << store.error().message;
  EXPECT_NE(store.error().message.find(path), std::string::npos) << what;
  EXPECT_NE(store.error().hint.find("backup"), std::string::npos) << what;
}

TEST_F(SqliteStoreTest, DamagedAndForeignFilesAreMalformed) {
  {
    auto store = open();
    StoreTransaction t;
    for (int i = 0; i < 200; ++i) t.puts.push_back({"key" + std::to_string(i), std::string(200, 'v')});
    ASSERT_EQ(commit(*store, t), CommitOutcome::committed);
  }
  const std::string good = *disk_.contents(path);
  ASSERT_GT(good.size(), 4u * 4096);
  const auto damage = [&](const std::string& what, std::string bytes) {
    disk_.put_contents(path, std::move(bytes));
    expect_malformed(disk_, what);
  };
  damage("text", "once upon a time there was a file that was no database\n" + std::string(4096, ' '));
  damage("short text", "hello");
  damage("cut", good.substr(0, good.size() - 4096));
  damage("cut within the first page", good.substr(0, 2000));
  std::string holes = good;
  for (std::size_t at = 4096 * 3; at < 4096 * 4; ++at) holes[at] = static_cast<char>(0x55);
  damage("a page of noise", holes);
  std::string schema = good;
  for (std::size_t at = 100; at < 4096; ++at) schema[at] = static_cast<char>(0x55);
  damage("a schema of noise", schema);
  disk_.put_contents(path, good);
  EXPECT_TRUE(open());
}

// What another program makes, through SQLite itself.
std::string database_made_by(const std::string& sql) {
  char name[] = "/tmp/sb-store-XXXXXX";
  if (!::mkdtemp(name)) return {};
  const std::string file = std::string(name) + "/x.db";
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sql;
  sqlite3_close(db);
  std::ifstream in(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  std::filesystem::remove_all(name);
  return bytes;
}

TEST_F(SqliteStoreTest, OtherProgramsDatabasesAreLeftAlone) {
  for (const char* sql : {"CREATE TABLE t (a)", "PRAGMA journal_mode=WAL; CREATE TABLE t (a)",
                          "PRAGMA application_id=1396854616; CREATE TABLE t (a)"}) {
    const std::string theirs = database_made_by(sql);
    disk_.put_contents(path, theirs);
    expect_malformed(disk_, sql);
    EXPECT_EQ(*disk_.contents(path), theirs) << sql;
  }
}

TEST_F(SqliteStoreTest, NewerSchemaIsUnsupported) {
  disk_.put_contents(
      path, database_made_by("PRAGMA application_id=1396854616;"
                             "CREATE TABLE meta (name BLOB PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
                             "INSERT INTO meta VALUES (CAST('schema' AS BLOB), 2);"
                             "CREATE TABLE something_new (a)"));
  auto store = open_sqlite_store(disk_, path);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::unsupported) << store.error().message;
  EXPECT_NE(store.error().message.find("newer"), std::string::npos);
  EXPECT_NE(store.error().hint, "");
}

TEST(SqliteStoreOnFiles, IsAnOrdinaryDatabase) {
  char name[] = "/tmp/sb-store-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::string file = std::string(name) + "/store.db";
  auto disk = net::make_posix_disk();
  {
    auto store = open_sqlite_store(*disk, file);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(commit(**store, {.fence = 1, .compares = {}, .puts = {{"k", "v"}}}), CommitOutcome::committed);
    EXPECT_FALSE(std::filesystem::exists(file + "-journal"));
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
  std::string rows;
  sqlite3_exec(
      db, "PRAGMA integrity_check; SELECT CAST(key AS TEXT) || CAST(value AS TEXT) FROM entries",
      [](void* out, int, char** values, char**) {
        *static_cast<std::string*>(out) += std::string(values[0]) + ";";
        return 0;
      },
      &rows, nullptr);
  sqlite3_close(db);
  EXPECT_EQ(rows, "ok;kv;");
  std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace signalbox::journal
