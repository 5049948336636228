// A data directory that a real Prometheus 2.42 writes, read while it writes it: sample for sample and bit for
// bit what it answers over its remote read API, which also hands out stale markers. And what promtool writes,
// damaged.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <snappy-c.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "runtime/formats/tsdb_bytes.hpp"
#include "runtime/net/posix_disk.hpp"
#include "runtime/sources/tsdb_history.hpp"
#include "tests/support/memory_folders.hpp"
#include "tests/wire/process.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

namespace fs = std::filesystem;
using formats::tsdb::Bytes;
using sources::TsdbHistory;
using Samples = std::vector<std::pair<std::int64_t, std::uint64_t>>;
using All = std::map<Labels, Samples>;

constexpr std::int64_t start = 1'700'000'000'000, hour = 3'600'000;

const std::vector<Matcher> every_series = {{"__name__", MatchOp::regex, ".+"}};

// A field of a protocol buffer: its number, and its bytes or its integer.
struct Field {
  std::uint64_t number = 0, integer = 0;
  std::string_view bytes;
};
std::vector<Field> fields_of(std::string_view message) {
  std::vector<Field> out;
  for (Bytes in(message); in.left() > 0;) {
    const std::uint64_t key = in.uvarint();
    Field field{key >> 3, 0, {}};
    if ((key & 7) == 0)
      field.integer = in.uvarint();
    else if ((key & 7) == 1)
      field.bytes = in.take(8);
    else
      field.bytes = in.text();
    out.push_back(field);
  }
  return out;
}

All asked(const PrometheusServer& server) {
  std::string matcher, query, request;
  test::put_uvarint(matcher, 1 << 3);
  test::put_uvarint(matcher, 2);  // a regex
  for (const auto& [number, text] : {std::pair(2, "__name__"), std::pair(3, ".+")}) {
    test::put_uvarint(matcher, static_cast<std::uint64_t>(number) << 3 | 2);
    test::put_uvarint(matcher, std::string_view(text).size());
    matcher += text;
  }
  test::put_uvarint(query, 1 << 3);
  test::put_uvarint(query, 0);
  test::put_uvarint(query, 2 << 3);
  test::put_uvarint(query, static_cast<std::uint64_t>(start + 1000 * hour));
  test::put_uvarint(query, 3 << 3 | 2);
  test::put_uvarint(query, matcher.size());
  query += matcher;
  test::put_uvarint(request, 1 << 3 | 2);
  test::put_uvarint(request, query.size());
  request += query;
  std::string packed(snappy_max_compressed_length(request.size()), '\0');
  std::size_t size = packed.size();
  EXPECT_EQ(snappy_compress(request.data(), request.size(), packed.data(), &size), SNAPPY_OK);
  packed.resize(size);
  const auto ask = [&] {
    return server.post("/api/v1/read",
                       {"Content-Type: application/x-protobuf", "Content-Encoding: snappy",
                        "X-Prometheus-Remote-Read-Version: 0.1.0"},
                       packed);
  };
  HttpAnswer answer = ask();
  // 2.42 fails to find chunks of its head that it cuts off while it is asked.
  for (int again = 0; again < 50 && answer.body.starts_with("cannot populate chunk"); ++again) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    answer = ask();
  }
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(snappy_uncompressed_length(answer.body.data(), answer.body.size(), &size), SNAPPY_OK);
  std::string text(size, '\0');
  EXPECT_EQ(snappy_uncompress(answer.body.data(), answer.body.size(), text.data(), &size), SNAPPY_OK);
  All out;
  for (const Field& result : fields_of(text))
    for (const Field& series : fields_of(result.bytes)) {
      std::vector<Labels::Pair> labels;
      Samples samples;
      for (const Field& part : fields_of(series.bytes)) {
        if (part.number == 1) {
          const auto pair = fields_of(part.bytes);
          labels.emplace_back(pair.at(0).bytes, pair.at(1).bytes);
        } else if (part.number == 2) {
          std::int64_t time = 0;
          std::uint64_t value = 0;
          for (const Field& f : fields_of(part.bytes)) {
            if (f.number == 1) value = __builtin_bswap64(formats::tsdb::load_be64(f.bytes.data()));
            if (f.number == 2) time = static_cast<std::int64_t>(f.integer);
          }
          samples.emplace_back(time, value);
        }
      }
      out[Labels(std::move(labels))] = std::move(samples);
    }
  return out;
}

struct Read {
  All all;
  std::string notices;
};
Read read_directory(ForeignFolders& folders, const std::string& path) {
  Read out;
  Result<TsdbHistory> history =
      TsdbHistory::open(folders, path, {{every_series}, Instant{INT64_MIN}, Instant{INT64_MAX}}, Limits{});
  if (!history) {
    out.notices = history.error().message;
    return out;
  }
  for (bool again = true; again;) {
    again = false;
    out.all.clear();
    TsdbHistory::Reader reader(*history);
    for (std::size_t i = 0; i < history->size(); ++i) {
      sources::SeriesSamples samples;
      if (const Result<void> read = reader.read(i, samples); !read) {
        if (!reader.damaged()) {
          out.notices += read.error().message;
          return out;
        }
        if (const Result<void> left = history->leave_out(*reader.damaged(), read.error()); !left) {
          out.notices += left.error().message;
          return out;
        }
        again = true;
        break;
      }
      Samples merged;
      for (std::size_t s = 0; s < samples.samples.size(); ++s)
        merged.emplace_back(samples.samples.times[s],
                            std::bit_cast<std::uint64_t>(samples.samples.values[s]));
      for (const std::int64_t end : samples.ends) merged.emplace_back(end, stale_marker_bits);
      std::sort(merged.begin(), merged.end());
      if (!merged.empty()) out.all[history->labels(i)] = std::move(merged);
    }
  }
  for (const Error& notice : history->notices()) out.notices += notice.message + "\n";
  return out;
}

std::size_t count(const All& all) {
  std::size_t n = 0;
  for (const auto& [labels, samples] : all) n += samples.size();
  return n;
}

void expect_same(const All& expected, const All& got, const std::string& when) {
  EXPECT_EQ(expected.size(), got.size()) << when;
  for (const auto& [labels, samples] : expected) {
    const auto ours = got.find(labels);
    ASSERT_TRUE(ours != got.end()) << when << ": " << to_string(labels);
    ASSERT_EQ(samples.size(), ours->second.size()) << when << ": " << to_string(labels);
    for (std::size_t i = 0; i < samples.size(); ++i)
      ASSERT_EQ(samples[i], ours->second[i]) << when << ": " << to_string(labels) << " sample " << i;
  }
}

// Samples of `part` are in `whole` too.
bool within(const All& part, const All& whole) {
  for (const auto& [labels, samples] : part) {
    const auto all = whole.find(labels);
    if (all == whole.end() ||
        !std::includes(all->second.begin(), all->second.end(), samples.begin(), samples.end()))
      return false;
  }
  return true;
}

// What a server that scrapes every 15 s writes in [from, to): counters with resets, gauges, NaNs of all
// sorts, series that come and go.
std::vector<RemoteSeries> scrapes(std::int64_t from, std::int64_t to) {
  std::vector<RemoteSeries> out;
  for (int s = 0; s < 40; ++s) {
    std::mt19937_64 rng(static_cast<std::uint64_t>(s) * 1000 + static_cast<std::uint64_t>(from));
    RemoteSeries series;
    series.labels = {
        {"__name__", s % 2 == 0 ? "requests_total" : "load"}, {"job", "shop"}, {"n", std::to_string(s)}};
    double value = 0;
    for (std::int64_t t = from; t < to; t += 15'000) {
      const std::int64_t scrape = (t - start) / 15'000;
      if (s >= 30 && scrape / 100 % 2 == s % 2) {
        if (scrape % 100 == 0) series.samples.emplace_back(t, std::bit_cast<double>(stale_marker_bits));
        continue;
      }
      if (s % 2 == 0)
        value = rng() % 200 == 0 ? 0 : value + static_cast<double>(rng() % 100);
      else
        value = s % 3 == 0 ? std::bit_cast<double>(rng()) : static_cast<double>(rng() % 1000) / 8;
      if (s == 7) value = std::bit_cast<double>(0x7ff8000000000000ull | (rng() & 0xff));
      series.samples.emplace_back(t + static_cast<std::int64_t>(rng() % 5), value);
    }
    out.push_back(std::move(series));
  }
  return out;
}

class Live : public testing::Test {
 protected:
  void SetUp() override {
    server_ = PrometheusServer::start("", error_,
                                      {"--storage.tsdb.min-block-duration=1h",
                                       "--storage.tsdb.max-block-duration=2h", "--web.enable-admin-api"},
                                      "storage: {tsdb: {out_of_order_time_window: 2h}}\n");
    ASSERT_TRUE(server_) << error_;
  }
  void write(std::int64_t from, std::int64_t to) { send(scrapes(from, to)); }
  // Samples between those that were written, of a third of the series.
  void write_late(std::int64_t from, std::int64_t to) {
    std::vector<RemoteSeries> series = scrapes(from, to);
    std::erase_if(series, [](const RemoteSeries& one) { return one.labels[2].second.size() > 1; });
    for (RemoteSeries& one : series)
      for (auto& [time, value] : one.samples) time += 7'000;
    send(series);
  }
  void send(const std::vector<RemoteSeries>& series) {
    const HttpAnswer answer = server_->write(series);
    ASSERT_TRUE(answer.status == 204 || answer.status == 200) << answer.status << answer.body;
  }
  // A server that moves samples between its files while it is asked and read is asked again.
  void expect_equal(const std::string& when) {
    const All expected = asked(*server_);
    ASSERT_GT(count(expected), 0u) << when;
    const Read read = read_directory(*folders_, server_->data());
    EXPECT_EQ(read.notices, "") << when;
    expect_same(expected, read.all, when);
  }
  std::string latest(const std::string& inside, const std::string& prefix) const {
    std::error_code failed;
    std::string out;
    for (const auto& entry : fs::directory_iterator(server_->data() + inside, failed)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix)) out = std::max(out, name);
    }
    return out;
  }
  bool has(const std::string& inside, const std::string& prefix) const {
    return !latest(inside, prefix).empty();
  }
  std::string latest_block() const { return latest("", "01"); }

  std::unique_ptr<PrometheusServer> server_;
  std::unique_ptr<ForeignFolders> folders_ = net::make_posix_folders();
  std::string error_;
};

TEST_F(Live, EverySampleAsItsApiAnswersWhileItRunsAndAfterRestarts) {
  write(start, start + 20 * 60'000);
  expect_equal("from the log alone");
  write(start + 20 * 60'000, start + hour);
  expect_equal("with more in the log");
  write_late(start + 10 * 60'000, start + 30 * 60'000);
  expect_equal("with samples that came late");
  ASSERT_TRUE(server_->restart(error_)) << error_;
  expect_equal("after a restart");
  ASSERT_TRUE(has("/chunks_head", "0000"));
  // What is older than an hour and a half becomes blocks, soon; each time, and with each start, the log
  // begins a new segment, until a checkpoint stands for the oldest ones.
  int hours = 1;
  for (int round = 0; round < 8 && !has("/wal", "checkpoint."); ++round) {
    const std::string latest = latest_block();
    for (int i = 0; i < 3; ++i, ++hours) write(start + hours * hour, start + (hours + 1) * hour);
    write_late(start + hours * hour - hour, start + hours * hour - hour / 2);
    expect_equal(fmt::format("{} hours", hours));
    ASSERT_TRUE(eventually([&] { return latest_block() > latest; })) << hours;
    expect_equal(fmt::format("{} hours, some of them in blocks", hours));
    ASSERT_TRUE(server_->restart(error_)) << error_;
  }
  EXPECT_TRUE(has("/wal", "checkpoint."));
  expect_equal("from blocks, a checkpoint and the log");
  ASSERT_TRUE(server_->restart(error_)) << error_;
  expect_equal("after another restart");

  const std::string admin = "/api/v1/admin/tsdb/";
  const std::string span =
      fmt::format("&start={}&end={}", (start + hour / 2) / 1000, (start + hours * hour - hour / 3) / 1000);
  ASSERT_EQ(
      server_
          ->post(admin + "delete_series?match[]=" + percent_encoded("requests_total{n=~\"1.*\"}") + span, {},
                 "")
          .status,
      204);
  expect_equal("with stretches deleted from blocks and head");
  ASSERT_TRUE(server_->restart(error_)) << error_;
  expect_equal("deleted, and restarted");
  ASSERT_EQ(server_->post(admin + "clean_tombstones", {}, "").status, 204);
  expect_equal("with blocks written anew without what was deleted");

  const HttpAnswer snapshot = server_->post(admin + "snapshot", {}, "");
  ASSERT_EQ(snapshot.status, 200) << snapshot.body;
  const std::string name = nlohmann::json::parse(snapshot.body)["data"]["name"];
  const Read read = read_directory(*folders_, server_->data() + "/snapshots/" + name);
  EXPECT_EQ(read.notices, "");
  // It leaves out what came late and is in no block yet; nothing else.
  All expected = asked(*server_);
  for (auto& [labels, samples] : expected) {
    const Samples& ours = read.all.at(labels);
    std::erase_if(samples, [&](const auto& sample) {
      return (sample.first - start) % 15'000 >= 7'000 &&
             !std::binary_search(ours.begin(), ours.end(), sample);
    });
  }
  expect_same(expected, read.all, "a snapshot");
}

// What the server had when the reading began is read, however much it writes and compacts meanwhile.
TEST_F(Live, NothingIsMissedWhileItWritesAndCompacts) {
  write(start, start + hour);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::int64_t at = start + hour; at < start + 16 * hour; at += hour / 2) write(at, at + hour / 2);
    done = true;
  });
  int readings = 0;
  for (bool last = false; !last; ++readings) {
    last = done;
    const All before = asked(*server_);
    const Read read = read_directory(*folders_, server_->data());
    EXPECT_TRUE(within(before, read.all))
        << readings << ": " << count(before) << " of " << count(read.all) << "\n"
        << read.notices;
    const std::size_t said = read.notices.find('\n');
    EXPECT_TRUE(said == std::string::npos || read.notices.find("being written") < said) << read.notices;
  }
  writer.join();
  EXPECT_GT(readings, 1);
  ASSERT_TRUE(eventually([&] { return !latest_block().empty(); }));
  expect_equal("at last");
}

std::string recording() {
  std::string text;
  std::mt19937_64 rng(11);
  for (int s = 0; s < 12; ++s) {
    double value = 0;
    for (std::int64_t t = 0; t < 5 * 3600; t += 30) {
      value += static_cast<double>(rng() % 50) / (s % 3 + 1);
      text += fmt::format("hits_total{{n=\"{}\",path=\"/{}\"}} {:.17g} {}\n", s,
                          std::string(static_cast<std::size_t>(s), 'x'), value, 1'700'000'000 + t);
    }
  }
  return text + "# EOF\n";
}

// A directory's files in memory, below "data".
test::MemoryFolders in_memory(const std::string& directory) {
  test::MemoryFolders out;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string below = fs::relative(entry.path(), directory).string();
    if (entry.is_regular_file() && below != "lock" && below.find("queries.active") == std::string::npos)
      out.files["data/" + below] = read_file(entry.path().string());
  }
  return out;
}

// Every byte of a data directory is changed in turn, as it were: there is an error, or a notice, or every
// sample is as it was. With a notice some may be missing; none is another.
TEST(Damaged, AByteChangedIsSeenOrChangesNothing) {
  std::string error;
  auto server = PrometheusServer::start(recording(), error, {"--storage.tsdb.min-block-duration=1h"});
  ASSERT_TRUE(server) << error;
  const HttpAnswer answer = server->write(scrapes(start + 10 * hour, start + 11 * hour));
  ASSERT_TRUE(answer.status == 204 || answer.status == 200) << answer.body;
  ASSERT_TRUE(server->restart(error)) << error;
  test::MemoryFolders folders = in_memory(server->data());
  const All expected = asked(*server);
  server.reset();
  Read whole = read_directory(folders, "data");
  ASSERT_EQ(whole.notices, "");
  expect_same(expected, whole.all, "undamaged");
  std::vector<std::string> names;
  bool block = false, head = false, log = false;
  for (const auto& [name, bytes] : folders.files) {
    if (bytes.empty()) continue;
    names.push_back(name);
    block = block || name.ends_with("/index");
    head = head || name.find("chunks_head") != std::string::npos;
    log = log || name.find("/wal/") != std::string::npos;
  }
  ASSERT_TRUE(block && head && log);
  std::mt19937_64 rng(12);
  int seen = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string& name = names[rng() % names.size()];
    // What a server took in advance of head chunks is zeros, and most of the file.
    std::string& bytes = folders.files[name];
    const std::size_t used = bytes.find_last_not_of('\0') + 1;
    if (used == 0) continue;
    const std::string before = bytes;
    const std::size_t at = rng() % used;
    const bool cut = round % 10 == 9;
    if (cut)
      bytes.resize(at);
    else
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << rng() % 8);
    const Read read = read_directory(folders, "data");
    if (read.notices.empty()) {
      // A description has no checksum: what it says of times is believed. A log cut between two records is
      // whole.
      if (!name.ends_with("/meta.json") && !(cut && name.find("/data/wal/") == std::string::npos)) {
        EXPECT_TRUE(read.all == whole.all) << name << " byte " << at << (cut ? " cut" : "");
      }
    } else {
      ++seen;
    }
    EXPECT_TRUE(within(read.all, whole.all)) << name << " byte " << at << ": " << read.notices;
    bytes = before;
  }
  EXPECT_GT(seen, 500);
}

// The same samples as text and as a data directory: the same pages, budgets and values.
TEST(Program, ReplaysADataDirectoryAsItDoesTheTextItWasMadeOf) {
  ASSERT_EQ(missing_programs({"promtool"}), "");
  const Folder folder;
  const std::string text = folder.path("trace.om"), data = folder.path("data");
  ASSERT_EQ(run({SIGNALBOX, "generate", "--seed", "5", "--duration", "9h", "--every", "30s", "--incidents",
                 "outage,scrape_gap", "--out", text})
                .code,
            0);
  ASSERT_EQ(run({"promtool", "tsdb", "create-blocks-from", "openmetrics", text, data}).code, 0);
  const std::string program = folder.write("shop.slo", R"(use std.burn
tick 1m
source s is scrape { url "http://127.0.0.1:1/metrics" every 30s  semantics 2 }
metric http_requests_total is counter with (code, service)
receiver r is log { }
slo availability per (service) max 50 {
  indicator bad http_requests_total{code="500"} of http_requests_total
  objective 99.9% over 7d
  burn std.burn.google
  page r
  ticket r
}
)");
  const auto replay = [&](const std::string& from) {
    return run({SIGNALBOX, "replay", program, "--json", "--data", from, "--from", "2026-01-01T01:00:00Z",
                "--to", "2026-01-01T08:00:00Z"});
  };
  const Finished of_text = replay(text), of_data = replay(data);
  ASSERT_EQ(of_text.code, 0) << of_text.err;
  EXPECT_EQ(of_data.code, 0) << of_data.err;
  EXPECT_EQ(of_text.out, of_data.out);
  EXPECT_NE(of_data.out.find("\"page\""), std::string::npos) << of_data.out;
  // An offset and a longer window reach further back than --from.
  const auto eval = [&](const std::string& from) {
    return run({SIGNALBOX, "eval", "sum by (code) (rate(http_requests_total[2h] offset 1h))", "--semantics",
                "2", "--data", from, "--from", "2026-01-01T04:00:00Z", "--to", "2026-01-01T05:00:00Z",
                "--step", "10m", "--json"});
  };
  EXPECT_EQ(eval(text).out, eval(data).out);
  const Finished unknown = run({SIGNALBOX, "eval", "rate(nowhere_total[5m])", "--data", data});
  EXPECT_EQ(unknown.code, 3) << unknown.err;
}

TEST(Damaged, TheProgramReadsTheOtherBlocksAndSaysWhich) {
  const std::string missing = missing_programs({"promtool"});
  ASSERT_EQ(missing, "");
  const Folder folder;
  folder.write("samples.om", recording());
  const std::string data = folder.path("data");
  ASSERT_EQ(
      run({"promtool", "tsdb", "create-blocks-from", "openmetrics", folder.path("samples.om"), data}).code,
      0);
  const auto eval = [&](const std::string& from) {
    return run({SIGNALBOX, "eval", "count_over_time(hits_total{n=\"3\"}[1d])", "--data", from, "--at",
                "1700018000"});
  };
  const Finished whole = eval(data);
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(whole.err, "");
  EXPECT_NE(whole.out.find("  600\n"), std::string::npos) << whole.out;
  std::vector<std::string> blocks;
  for (const auto& entry : fs::directory_iterator(data))
    if (fs::exists(entry.path() / "index")) blocks.push_back(entry.path().string());
  ASSERT_GE(blocks.size(), 2u);
  const std::string chunk = blocks[0] + "/chunks/000001", before = read_file(chunk);
  std::string damaged = before;
  damaged[damaged.size() / 2] ^= 1;
  fs::permissions(chunk, fs::perms::owner_all);
  std::ofstream(chunk, std::ios::binary) << damaged;
  const Finished less = eval(data);
  if (less.err.empty()) {
    // The byte was one of a series that is not asked about.
    EXPECT_EQ(less.out, whole.out);
  }
  const Finished all =
      run({SIGNALBOX, "eval", "sum(count_over_time(hits_total[1d]))", "--data", data, "--at", "1700018000"});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_NE(all.err.find("signalbox: block " + blocks[0] + " is left out: " + chunk + " at byte "),
            std::string::npos)
      << all.err;
  EXPECT_NE(all.err.find("help: "), std::string::npos);
}

}  // namespace
}  // namespace signalbox::wire
