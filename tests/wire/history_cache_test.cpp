// What `signalbox eval` and `replay` keep of recorded files: the same answers with it, without it and in
// spite of it.
#include "cli/history_cache.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <utime.h>

#include <filesystem>
#include <memory>

#include "runtime/net/posix_disk.hpp"
#include "tests/support/same_store.hpp"
#include "tests/wire/process.hpp"

namespace signalbox::wire {
namespace {

namespace fs = std::filesystem;

// More than history_cache_from_bytes.
std::string large_text(int last_value = 7) {
  std::string out;
  for (int i = 0; i < 100'000; ++i)
    for (const char* job : {"a", "b"})
      out += fmt::format("requests_total{{job=\"{}\",env=\"prod\"}} {} {}\n", job, 3 * i,
                         1'700'000'000 + 15 * i);
  return out + fmt::format("last {} 1700000000\n# EOF\n", last_value);
}
std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) out.push_back(entry.path().string());
  return out;
}
struct stat status_of(const std::string& path) {
  struct stat out {};
  EXPECT_EQ(::stat(path.c_str(), &out), 0) << path;
  return out;
}

ProcessOptions in(std::vector<std::pair<std::string, std::string>> environment) {
  ProcessOptions out;
  out.environment = std::move(environment);
  return out;
}

class HistoryCache : public testing::Test {
 protected:
  HistoryCache() : data_(folder_.write("data.om", large_text())), cache_(folder_.path("cache")) {}
  std::vector<std::string> words(std::vector<std::string> more) const {
    std::vector<std::string> out{
        SIGNALBOX,    "eval", "sum(rate(requests_total[1h])) + on () last offset 416h30m", "--data", data_,
        "--lookback", "1000h"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  Finished eval(std::vector<std::string> more, const ProcessOptions& options = {}) const {
    return run(words(std::move(more)), options);
  }
  std::string expected() const {
    const Finished done = eval({"--no-cache"});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.out, "");
    return done.out;
  }
  void expect(const Finished& done, const std::string& out) const {
    EXPECT_EQ(done.code, 0);
    EXPECT_EQ(done.out, out);
    EXPECT_EQ(done.err, "");
  }

  Folder folder_;
  std::string data_, cache_;
};

TEST_F(HistoryCache, IsWrittenOnceAndThenUsed) {
  const std::string out = expected();
  EXPECT_TRUE(files_in(cache_).empty());
  expect(eval({"--cache", cache_}), out);
  ASSERT_EQ(files_in(cache_).size(), 1u);
  const std::string file = files_in(cache_)[0];
  const struct stat made = status_of(file);
  EXPECT_EQ(made.st_mode & 0777, 0600u);
  EXPECT_EQ(status_of(cache_).st_mode & 0777, 0700u);
  // What is used is marked as used, and stays the same file; what is read anew becomes another one.
  const utimbuf old{1000, 1000};
  ASSERT_EQ(::utime(file.c_str(), &old), 0);
  expect(eval({"--cache", cache_}), out);
  ASSERT_EQ(files_in(cache_).size(), 1u);
  EXPECT_EQ(status_of(file).st_ino, made.st_ino);
  EXPECT_GT(status_of(file).st_mtime, 1000);
}

TEST_F(HistoryCache, IsOfTheContentNotOfTheName) {
  ASSERT_EQ(eval({"--cache", cache_}).code, 0);
  const std::string before = expected();
  folder_.write("data.om", large_text(8));
  const std::string after = expected();
  EXPECT_NE(before, after);
  expect(eval({"--cache", cache_}), after);
  EXPECT_EQ(files_in(cache_).size(), 2u);
  folder_.write("data.om", large_text());
  expect(eval({"--cache", cache_}), before);
  EXPECT_EQ(files_in(cache_).size(), 2u);
}

TEST_F(HistoryCache, IsMadeAgainWhenItIsDamaged) {
  const std::string out = expected();
  ASSERT_EQ(eval({"--cache", cache_}).code, 0);
  const std::string file = files_in(cache_).at(0), good = read_file(file);
  for (const std::string& bad :
       {good.substr(0, good.size() / 2), std::string(), std::string("SBCOLUMN"), good + "x", [&] {
          std::string other = good;
          other[other.size() / 2] = static_cast<char>(other[other.size() / 2] ^ 1);
          return other;
        }()}) {
    std::FILE* into = std::fopen(file.c_str(), "wb");
    ASSERT_NE(into, nullptr);
    std::fwrite(bad.data(), 1, bad.size(), into);
    std::fclose(into);
    expect(eval({"--cache", cache_}), out);
    EXPECT_EQ(read_file(file), good);
    EXPECT_EQ(files_in(cache_).size(), 1u);
  }
}

TEST_F(HistoryCache, IsDoneWithoutWhereItCannotBe) {
  const std::string out = expected();
  expect(eval({"--cache", "/proc/nowhere/cache"}), out);
  expect(eval({"--cache", data_}), out);
  expect(eval({"--cache", data_ + "/below"}), out);
  expect(eval({}, in({{"HOME", ""}, {"XDG_CACHE_HOME", ""}})), out);
  // A relative one is none, says the XDG specification.
  expect(eval({}, in({{"HOME", ""}, {"XDG_CACHE_HOME", "relative"}})), out);
  EXPECT_EQ(eval({"--cache", cache_, "--no-cache"}).code, 2);
  EXPECT_TRUE(files_in(cache_).empty());
}

TEST_F(HistoryCache, LiesWhereCachesOfTheUserAre) {
  const std::string out = expected(), xdg = folder_.path("x"), home = folder_.path("home");
  expect(eval({}, in({{"HOME", home}, {"XDG_CACHE_HOME", xdg}})), out);
  EXPECT_EQ(files_in(xdg + "/signalbox").size(), 1u);
  EXPECT_TRUE(files_in(home).empty());
  expect(eval({}, in({{"HOME", home}, {"XDG_CACHE_HOME", ""}})), out);
  EXPECT_EQ(files_in(home + "/.cache/signalbox").size(), 1u);
}

TEST_F(HistoryCache, SmallFilesAreNotKept) {
  const std::string small = folder_.write("small.om", "m 1 1700000000\n# EOF\n");
  EXPECT_EQ(run({SIGNALBOX, "eval", "m", "--data", small, "--cache", cache_}).code, 0);
  EXPECT_TRUE(files_in(cache_).empty());
}

TEST_F(HistoryCache, ManyMayWriteAtOnce) {
  const std::string out = expected();
  std::vector<std::unique_ptr<Process>> all;
  for (int i = 0; i < 6; ++i) all.push_back(std::make_unique<Process>(words({"--cache", cache_})));
  for (const auto& one : all) {
    EXPECT_EQ(one->wait(Patience(60'000)), 0);
    EXPECT_EQ(one->out(), out);
    EXPECT_EQ(one->err(), "");
  }
  ASSERT_EQ(files_in(cache_).size(), 1u);
  const std::string file = read_file(files_in(cache_)[0]);
  const std::string again = folder_.path("again");
  ASSERT_EQ(eval({"--cache", again}).code, 0);
  EXPECT_EQ(read_file(files_in(again).at(0)), file) << "one text has one file";
}

TEST(HistoryCacheRoom, TheLongestUnusedGoesFirst) {
  const Folder folder;
  const std::unique_ptr<Disk> disk = net::make_posix_disk();
  store::SeriesStore store{Limits{}};
  const auto id = *store.series(Labels(std::vector<Labels::Pair>{{"__name__", "m"}}));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(store.append(id, Instant{i}, i * i % 91));
  const std::string directory = folder.path("cache");
  cli::HistoryCache(*disk, directory, Limits{}).keep({1, 0}, store);
  ASSERT_EQ(files_in(directory).size(), 1u);
  const auto bytes = static_cast<std::size_t>(status_of(files_in(directory)[0]).st_size);

  Limits limits;
  limits.history_cache_bytes = 3 * bytes + bytes / 2;
  cli::HistoryCache cache(*disk, directory, limits);
  const auto path = [&](std::uint64_t key) { return directory + "/" + to_hex({key, 0}) + ".columns"; };
  const auto used_at = [&](std::uint64_t key, long when) {
    const utimbuf times{when, when};
    ASSERT_EQ(::utime(path(key).c_str(), &times), 0);
  };
  used_at(1, 1000);
  cache.keep({2, 0}, store);
  used_at(2, 2000);
  cache.keep({3, 0}, store);
  used_at(3, 3000);
  // One that a killed process left, and a file of somebody else.
  fs::rename(path(3), directory + "/0.columns.new");
  std::FILE* other = std::fopen((directory + "/notes.txt").c_str(), "wb");
  ASSERT_NE(other, nullptr);
  std::fclose(other);
  const auto found = cache.find({1, 0});  // now the newest
  ASSERT_TRUE(found);
  EXPECT_EQ(test::difference(store, *found), "");
  cache.keep({4, 0}, store);
  EXPECT_TRUE(fs::exists(path(1)));
  EXPECT_FALSE(fs::exists(path(2)));
  EXPECT_TRUE(fs::exists(directory + "/0.columns.new"));
  EXPECT_TRUE(fs::exists(path(4)));
  cache.keep({5, 0}, store);
  EXPECT_FALSE(fs::exists(directory + "/0.columns.new"));
  EXPECT_TRUE(fs::exists(path(1)));
  EXPECT_TRUE(fs::exists(directory + "/notes.txt"));

  limits.history_cache_bytes = bytes - 1;
  cli::HistoryCache(*disk, directory, limits).keep({6, 0}, store);
  EXPECT_FALSE(fs::exists(path(6))) << "too large by itself";
  EXPECT_TRUE(fs::exists(path(1))) << "for which nothing goes";
  EXPECT_FALSE(cache.find({2, 0}));
}

}  // namespace
}  // namespace signalbox::wire
