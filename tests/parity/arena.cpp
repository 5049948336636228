// How a world comes into Prometheus and into the store.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/base/rational.hpp"
#include "tests/parity/runner.hpp"

namespace signalbox::parity {
namespace {

constexpr std::int64_t first_day = 1'700'006'400'000;  // begins a block of two hours
constexpr std::int64_t day = 86'400'000, block = 7'200'000;
// promtool commits every so many samples. What repeats a committed one is refused with an error; what repeats
// one that is not is left out.
constexpr std::uint64_t samples_of_a_commit = 5000;

std::string om_line(const Labels& labels, const Sample& sample) {
  return fmt::format("{} {} {}\n", to_string(labels), shortest(sample.value), seconds_text(sample.time));
}

// Sorted by series; refused samples right behind what they repeat, but where promtool would stop at them.
std::string open_metrics(World& world) {
  std::string out;
  std::map<std::int64_t, std::uint64_t> in_block;
  for (Series& series : world.series) {
    std::vector<Refused> sent;
    std::size_t next = 0;
    for (std::size_t i = 0; i < series.samples.size(); ++i) {
      const Sample& sample = series.samples[i];
      out += om_line(series.labels, sample);
      ++in_block[sample.time / block];
      for (; next < series.refused.size() && series.refused[next].after == i; ++next) {
        const Refused& refused = series.refused[next];
        if (in_block[sample.time / block] % samples_of_a_commit < 2 ||
            refused.sample.time / block != sample.time / block)
          continue;
        out += om_line(series.labels, refused.sample);
        ++in_block[sample.time / block];
        sent.push_back(refused);
      }
    }
    series.refused = std::move(sent);
  }
  return out + "# EOF\n";
}

}  // namespace

std::unique_ptr<Arena> Arena::start(std::uint64_t seed, std::string& error, Sabotage sabotage) {
  // 2.42 has a race of its own: now and then a write panics as the head cuts a file. Another server is asked
  // then; what it answers later is compared as always.
  constexpr std::string_view its_own_fault = "expected newly cut file to have sequence";
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::unique_ptr<Arena> arena(new Arena(seed));
    error.clear();
    if (arena->load(sabotage, error)) return arena;
    if (error.find(its_own_fault) == std::string::npos) break;
  }
  return nullptr;
}

bool Arena::load(Sabotage sabotage, std::string& error) {
  Rng rng(seed_);
  // Anywhere in a block, over its border too; what is written remotely must come after all blocks.
  const std::int64_t start = first_day + below(rng, 480) * 15'000;
  epochs_[0].world = make_world(rng(), Route::blocks, start);
  epochs_[1].world = make_world(rng(), Route::remote_write, start + day);
  // Its head stays one: 2.42 ends in a panic when it makes a block of head chunks that wait to be written.
  server_ = wire::PrometheusServer::start(
      open_metrics(epochs_[0].world), error,
      {"--storage.tsdb.min-block-duration=31d", "--storage.tsdb.max-block-duration=31d"});
  if (!server_) return false;
  const auto build = nlohmann::json::parse(server_->get("/api/v1/status/buildinfo").body);
  const std::string version = build["data"]["version"];
  if (!version.starts_with("2.42.")) {
    error = fmt::format("parity is told for Prometheus 2.42, found {}", version);
    return false;
  }
  if (!write_remotely(epochs_[1].world, error)) return false;
  store_ = std::make_unique<store::SeriesStore>(Limits{});
  if (sabotage == Sabotage::later_semantics) semantics_ = Semantics::prometheus3;
  for (Epoch& epoch : epochs_) {
    if (!fill_store(epoch.world, sabotage, error)) return false;
    for (const Series& series : epoch.world.series) {
      epoch.by_labels[series.labels] = epoch.known.size();
      epoch.known.push_back({&series, HazardIndex(series)});
    }
  }
  return true;
}

bool Arena::write_remotely(const World& world, std::string& error) {
  const auto post = [&](const std::vector<wire::RemoteSeries>& series) { return server_->write(series); };
  // The head answers in the order in which it first saw series; blocks have them sorted. A marker long before
  // makes them known in order.
  std::vector<wire::RemoteSeries> known;
  for (const Series& series : world.series)
    known.push_back({series.labels.pairs(), {{world.start - block, stale_marker()}}});
  wire::HttpAnswer answer = post(known);
  // The head refuses what is an hour older than its newest sample: half an hour of all series a request.
  for (std::int64_t slice = world.start; answer.status == 204 && slice < world.start + 2 * world.span;
       slice += 1'800'000) {
    std::vector<wire::RemoteSeries> part;
    for (const Series& series : world.series) {
      wire::RemoteSeries& one = part.emplace_back(wire::RemoteSeries{series.labels.pairs(), {}});
      for (const Sample& sample : series.samples)
        if (sample.time >= slice && sample.time < slice + 1'800'000)
          one.samples.emplace_back(sample.time, sample.value);
      if (one.samples.empty()) part.pop_back();
    }
    if (!part.empty()) answer = post(part);
  }
  if (answer.status != 204) {
    error = fmt::format("Prometheus refused samples: {} {}", answer.status,
                        answer.status == 0 ? server_->last_words() : answer.body);
    return false;
  }
  // Each by itself: the whole request is refused with it.
  for (const Series& series : world.series)
    for (const Refused& refused : series.refused)
      static_cast<void>(post({{series.labels.pairs(), {{refused.sample.time, refused.sample.value}}}}));
  return true;
}

bool Arena::fill_store(const World& world, Sabotage sabotage, std::string& error) {
  for (const Series& series : world.series) {
    const auto id = *store_->series(series.labels);
    std::size_t next = 0;
    for (std::size_t i = 0; i < series.samples.size(); ++i) {
      Sample sample = series.samples[i];
      if (sabotage == Sabotage::last_bit && i % 50 == 49 && !is_stale_marker(sample.value))
        sample.value = std::nextafter(sample.value, 1e308);
      if (*store_->append(id, {sample.time}, sample.value) != store::AppendOutcome::stored) {
        error = fmt::format("the store did not take {} of {}", sample.time, to_string(series.labels));
        return false;
      }
      for (; next < series.refused.size() && series.refused[next].after == i; ++next) {
        const Sample& again = series.refused[next].sample;
        if (*store_->append(id, {again.time}, again.value) != store::AppendOutcome::stored) continue;
        error = fmt::format("the store took {} of {} twice", again.time, to_string(series.labels));
        return false;
      }
    }
  }
  return true;
}

}  // namespace signalbox::parity
