// signalbox why ID --state DIR: what was decided, and the numbers it was decided on.
#include <fmt/format.h>
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "runtime/decide/record.hpp"
#include "runtime/journal/sqlite_store.hpp"
#include "runtime/net/posix_disk.hpp"

namespace signalbox::cli {
namespace {

namespace fs = std::filesystem;

// Whether the record's decision, made again from it and the plan it names, is the same to the byte.
std::string recomputed(TransactionStore& store, const decide::Record& record, const std::string& bytes) {
  std::string verdict = "its program is not in this state directory";
  store.read("plan/" + record.digest, [&](Result<std::vector<StoreEntry>> entries) {
    if (!entries || entries->empty()) return;
    const Result<plan::Plan> plan = plan::from_bytes(entries->front().value);
    if (!plan) {
      verdict = plan.error().message;
      return;
    }
    const Result<std::string> again = decide::recompute(*plan, record);
    if (!again)
      verdict = again.error().message;
    else
      verdict = *again == bytes
                    ? "the same, byte for byte"
                    : "another decision: this is a bug, please report it with the state directory";
  });
  return verdict;
}

// The database as of one moment while a `run` goes on writing to it. A commit keeps its journal beside the
// database from before its first page until after its last: a copy with no journal before it and after it, of
// a file that did not change meanwhile, is whole. Nothing here takes part in the writer's locking, so nothing
// here can disturb it.
class Snapshot {
 public:
  static Result<std::unique_ptr<Snapshot>> take(const std::string& state) {
    std::error_code failed;
    std::string pattern = (fs::temp_directory_path(failed) / "signalbox-why.XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return Error{ErrorCode::io, "no temporary directory can be made"};
    std::unique_ptr<Snapshot> out(new Snapshot(pattern));
    const fs::path database = fs::path(state) / "signalbox.db",
                   journal = fs::path(state) / "signalbox.db-journal";
    for (int attempt = 0; attempt < 200; ++attempt) {
      const auto before = fs::last_write_time(database, failed);
      if (!fs::exists(journal, failed)) {
        fs::copy_file(database, out->path(), fs::copy_options::overwrite_existing, failed);
        const bool copied = !failed;
        if (copied && !fs::exists(journal, failed) && fs::last_write_time(database, failed) == before)
          return out;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return Error{ErrorCode::io, fmt::format("{} is being written all the time", database.string()),
                 "try again"};
  }
  ~Snapshot() {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
  std::string path() const { return directory_ + "/signalbox.db"; }

 private:
  explicit Snapshot(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace

int run_why(const WhyOptions& options) {
  const auto disk = net::make_posix_disk();
  std::string path = options.state + "/signalbox.db";
  const Result<bool> there = disk->exists(path);
  if (!there || !*there) {
    tell(
        "signalbox: there is no state in {}\n      help: name the directory that `signalbox run "
        "--state` uses\n",
        options.state);
    return exit_program;
  }
  const auto lock = net::lock_file(options.state + "/lock");
  std::unique_ptr<Snapshot> snapshot;
  if (!lock) {
    auto taken = Snapshot::take(options.state);
    if (!taken) {
      tell("signalbox: {}\n", taken.error().message);
      return exit_program;
    }
    snapshot = std::move(*taken);
    path = snapshot->path();
  }
  auto store = journal::open_sqlite_store(*disk, path);
  if (!store) {
    tell("signalbox: {}\n", store.error().message);
    return exit_program;
  }
  std::vector<std::pair<decide::Record, std::string>> records;
  std::vector<std::string> known;
  Error broken;
  (*store)->read("record/", [&](Result<std::vector<StoreEntry>> entries) {
    if (!entries) {
      broken = entries.error();
      return;
    }
    for (const StoreEntry& e : *entries) {
      const std::string id = e.key.substr(7, e.key.rfind('/') - 7);
      if (known.empty() || known.back() != id) known.push_back(id);
      if (id.compare(0, options.id.size(), options.id) != 0) continue;
      Result<decide::Record> r = decide::record_from_bytes(e.value);
      if (r)
        records.emplace_back(std::move(*r), e.value);
      else
        broken = r.error();
    }
  });
  if (!broken.message.empty()) tell("signalbox: {}\n", broken.message);
  if (records.empty()) {
    tell("signalbox: nothing is recorded under '{}'\n", options.id);
    if (known.empty())
      tell("      help: nothing has been decided in {} yet\n", options.state);
    else
      tell("      help: there is: {}\n", fmt::join(known, ", "));
    return exit_no_data;
  }
  std::sort(records.begin(), records.end(),
            [](const auto& a, const auto& b) { return a.first.number < b.first.number; });
  const int code = options.exit_code ? exit_code_of(std::string_view(records.back().first.kind)) : exit_ok;
  if (options.json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& [r, bytes] : records) {
      nlohmann::ordered_json entry = {{"id", r.id},
                                      {"number", r.number},
                                      {"kind", r.kind},
                                      {"declaration", r.declaration},
                                      {"labels", labels_json(r.instance)},
                                      {"time", to_rfc3339(r.time)},
                                      {"why", r.sentence},
                                      {"digest", r.digest}};
      if (r.complete) entry["recomputed"] = recomputed(**store, r, bytes);
      entry["tree"] = nlohmann::ordered_json::array();
      for (const decide::TreeLine& line : r.tree)
        entry["tree"].push_back({{"depth", line.depth},
                                 {"text", line.text},
                                 {"outcome", line.outcome},
                                 {"numbers", line.numbers}});
      list.push_back(std::move(entry));
    }
    fmt::print("{}\n", dump({{"records", list}}, 2));
    return code;
  }
  for (const auto& [r, bytes] : records) {
    fmt::print("{}  {}  {}\n", to_rfc3339(r.time), r.kind, r.sentence);
    for (const decide::TreeLine& line : r.tree)
      fmt::print("    {}{}: {}{}\n", std::string(2 * line.depth, ' '), line.text, line.outcome,
                 line.numbers.empty() ? "" : " — " + line.numbers);
    if (r.complete)
      fmt::print("    made again from the record and program {}: {}\n", r.digest.substr(0, 12),
                 recomputed(**store, r, bytes));
  }
  return code;
}

}  // namespace signalbox::cli
