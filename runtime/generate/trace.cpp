#include "runtime/generate/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace signalbox::generate {
namespace {

struct Bucket {
  std::string_view le;
  std::int64_t mean_ms;  // of what is in it and not in the one before: what `_sum` adds for each
};
constexpr std::array<Bucket, 8> buckets = {{{"0.01", 6},
                                            {"0.05", 30},
                                            {"0.1", 75},
                                            {"0.25", 160},
                                            {"0.5", 350},
                                            {"1.0", 700},
                                            {"2.5", 1600},
                                            {"+Inf", 4000}}};

enum class Outcome : std::uint8_t { served, refused, failed };
constexpr std::array<std::string_view, 3> codes = {"200", "404", "500"};
constexpr std::size_t index_of(Outcome outcome) {
  return static_cast<std::size_t>(outcome);
}
// Of the requests that do not fail.
constexpr double refused_share = 0.01;

struct Cell {
  Outcome outcome;
  std::size_t bucket;
  double share;  // of its outcome: each outcome's sum to 1
};
// Failures are slow: many of them are timeouts.
constexpr std::array<Cell, Trace::cells> cell_table = {{{Outcome::served, 0, 0.1},
                                                        {Outcome::served, 1, 0.35},
                                                        {Outcome::served, 2, 0.3},
                                                        {Outcome::served, 3, 0.17},
                                                        {Outcome::served, 4, 0.05},
                                                        {Outcome::served, 5, 0.02},
                                                        {Outcome::served, 6, 0.008},
                                                        {Outcome::served, 7, 0.002},
                                                        {Outcome::refused, 0, 1},
                                                        {Outcome::failed, 2, 0.1},
                                                        {Outcome::failed, 3, 0.1},
                                                        {Outcome::failed, 4, 0.1},
                                                        {Outcome::failed, 5, 0.2},
                                                        {Outcome::failed, 6, 0.3},
                                                        {Outcome::failed, 7, 0.2}}};

constexpr std::string_view name_up = "up", name_requests = "http_requests",
                           name_latency = "http_request_duration_seconds", name_queue = "queue_depth",
                           name_deployed = "service_deployed_timestamp_seconds";

// The mean of a stretch is taken in its middle; stretches are no longer than this, so that the curve of the
// day bends little in one.
constexpr Duration longest_stretch = hours(1);

// −1 at 04:00 UTC, 1 at 16:00, 0 on the mean: two parabolas, 4p(1 − |p|) for p from −1 to 1, which differ
// from the sine of πp by 0.06 at most and need no library to be the same everywhere.
double daily(Instant at) {
  const std::int64_t since_ten = (at - (Instant{} + hours(10))).ms % days(1).ms;
  const double day = static_cast<double>(since_ten) / static_cast<double>(days(1).ms);
  const double p = day < 0.5 ? 2 * day : 2 * day - 2;
  return 4 * p * (1 - std::fabs(p));
}

}  // namespace

std::vector<Family> families_of(const Metrics& metrics) {
  std::vector<Family> out = {{name_up, "gauge"}};
  if (metrics.requests) out.push_back({name_requests, "counter"});
  if (metrics.latency) out.push_back({name_latency, "histogram"});
  if (metrics.queue) out.push_back({name_queue, "gauge"});
  if (metrics.deployed) out.push_back({name_deployed, "gauge"});
  return out;
}

std::vector<Series> series_of(const TraceSpec& spec, std::uint32_t service) {
  const std::string name = service_name(service);
  std::vector<Labels::Pair> common = {{"job", "generated"}, {"instance", name + ":8080"}, {"service", name}};
  for (std::uint32_t label = 1; label <= spec.labels; ++label)
    common.emplace_back(fmt::format("label_{}", label), fmt::format("value_{}", service % (label + 1)));
  std::vector<Series> out;
  const auto add = [&](std::string_view metric, std::string_view suffix, bool thousandths,
                       std::string_view label = {}, std::string_view value = {}) {
    std::vector<Labels::Pair> pairs = common;
    pairs.emplace_back(metric_name_label, fmt::format("{}{}", metric, suffix));
    if (!label.empty()) pairs.emplace_back(label, value);
    out.push_back({Labels(std::move(pairs)), thousandths});
  };
  add(name_up, "", false);
  if (spec.metrics.requests)
    for (const std::string_view code : codes) add(name_requests, "_total", false, "code", code);
  if (spec.metrics.latency) {
    for (const Bucket& bucket : buckets) add(name_latency, "_bucket", false, "le", bucket.le);
    add(name_latency, "_sum", true);
    add(name_latency, "_count", false);
  }
  if (spec.metrics.queue) add(name_queue, "", false);
  if (spec.metrics.deployed) add(name_deployed, "", true);
  return out;
}

Trace::Trace(const TraceSpec& spec) : spec_(spec), end_(spec.start + spec.duration), slots_(slots_of(spec)) {
  services_.reserve(spec.services);
  for (std::uint32_t i = 0; i < spec.services; ++i) {
    Service service{.random = Random(spec.seed, i, 0)};
    // Rounds keep apart whatever the jitter is.
    service.offset = {service.random.between(spec.jitter.ms, spec.every.ms - spec.jitter.ms - 1)};
    service.now = service.deployed = spec.start;
    services_.push_back(service);
  }
  round_.reserve(spec.services);
}

void Trace::begin_round() {
  round_.clear();
  at_ = 0;
  const Instant begin = spec_.start + spec_.every * rounds_++;
  for (std::uint32_t i = 0; i < spec_.services; ++i) {
    const Duration off{services_[i].random.between(-spec_.jitter.ms, spec_.jitter.ms)};
    const Instant time = begin + services_[i].offset + off;
    if (time < end_) round_.push_back({time, i});
  }
  std::sort(round_.begin(), round_.end());
}

const Scrape* Trace::next() {
  for (;;) {
    while (at_ == round_.size()) {
      if (spec_.services == 0 || spec_.start + spec_.every * rounds_ >= end_) return nullptr;
      begin_round();
    }
    const Due due = round_[at_++];
    Service& service = services_[due.service];
    advance(service, due.service, due.time);
    const std::optional<Incident>& incident = service.incident;
    const bool gap = incident && incident->kind == IncidentKind::scrape_gap && due.time >= incident->from &&
                     due.time < incident->to;
    if (gap && !incident->answered) continue;
    read(service, !gap);
    scrape_ = {due.time, due.service, readings_};
    return &scrape_;
  }
}

// Requests arrive as a Poisson process whose rate changes with the day and the incidents; what each is (its
// cell) is drawn independently. Then the counts of the cells are independent Poisson numbers too, each with
// its own mean (the colouring theorem: J. F. C. Kingman, "Poisson Processes", 1993, 5.1), and so they are
// drawn: errors are a part of the requests, and a histogram counts what the counters count. The mean is the
// integral over the stretches between edges of the incidents. Where there is no edge, the stretches and the
// draws are those of the same trace without incidents.
void Trace::advance(Service& service, std::uint32_t index, Instant to) {
  std::array<double, codes.size()> means = {};
  double counted_ms = 0;
  while (service.now < to) {
    const Instant now = service.now;
    Instant edge = std::min(to, now + longest_stretch);
    while ((!service.incident || service.incident->to <= now) && service.slot + 1 < slots_.count &&
           spec_.start + slots_.length * (service.slot + 1) < edge)
      service.incident = incident_in(spec_, slots_, index, ++service.slot);
    edge = next_edge(service.incident, now, edge);
    const double ms = static_cast<double>((edge - now).ms);
    const Instant middle{now.ms + (edge - now).ms / 2};
    const Effect effect = effect_at(spec_, service.incident, middle);
    const double requests = spec_.rate * (1 + spec_.swing * daily(middle)) * effect.traffic * (ms / 1000);
    const double answered = requests * (1 - effect.error_ratio);
    means[index_of(Outcome::served)] += answered * (1 - refused_share);
    means[index_of(Outcome::refused)] += answered * refused_share;
    means[index_of(Outcome::failed)] += requests * effect.error_ratio;
    counted_ms += ms;
    service.now = edge;
    if (service.incident && service.incident->kind == IncidentKind::deploy &&
        service.incident->from == edge) {
      service.deployed = edge;
      std::fill(std::begin(service.counts), std::end(service.counts), 0);
      means = {};
      counted_ms = 0;
    }
  }
  // Little's law: as many are in the queue as arrive in the time that one stays.
  double stays_ms = 0;
  for (std::size_t i = 0; i < cells; ++i) {
    const Cell& cell = cell_table[i];
    const double mean = means[index_of(cell.outcome)] * cell.share;
    service.counts[i] += service.random.count(mean);
    stays_ms += mean * static_cast<double>(buckets[cell.bucket].mean_ms);
  }
  const double in_queue = counted_ms > 0 ? stays_ms / counted_ms : 0;
  service.in_queue = static_cast<std::int64_t>(service.random.count(in_queue));
}

void Trace::read(const Service& service, bool up) {
  readings_.clear();
  readings_.push_back(up ? 1 : 0);
  if (!up) return;
  std::array<std::int64_t, codes.size()> by_code = {};
  std::array<std::int64_t, buckets.size()> by_bucket = {};
  for (std::size_t i = 0; i < cells; ++i) {
    const auto count = static_cast<std::int64_t>(service.counts[i]);
    by_code[index_of(cell_table[i].outcome)] += count;
    by_bucket[cell_table[i].bucket] += count;
  }
  if (spec_.metrics.requests) readings_.insert(readings_.end(), by_code.begin(), by_code.end());
  if (spec_.metrics.latency) {
    std::int64_t below = 0, sum_ms = 0;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      below += by_bucket[i];
      sum_ms += by_bucket[i] * buckets[i].mean_ms;
      readings_.push_back(below);
    }
    readings_.push_back(sum_ms);
    readings_.push_back(below);
  }
  if (spec_.metrics.queue) readings_.push_back(service.in_queue);
  if (spec_.metrics.deployed) readings_.push_back(service.deployed.ms);
}

}  // namespace signalbox::generate
