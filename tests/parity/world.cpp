#include "tests/parity/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "runtime/store/series_store.hpp"

namespace signalbox::parity {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

enum class Values { whole, fractional, gauge, negative, huge, tiny, with_nan, with_inf, big, flat, zero };

std::int64_t time_as_read(std::int64_t ms) {
  return static_cast<std::int64_t>(std::strtod(seconds_text(ms).c_str(), nullptr) * 1000);
}

// A walk of values, one sample after the other.
class Walk {
 public:
  Walk(Rng& rng, Values kind) : rng_(rng), kind_(kind) {
    level_ = kind == Values::negative ? -5000.0
             : kind == Values::big    ? 9.1e15
             : kind == Values::zero   ? 0.0
                                      : static_cast<double>(below(rng, 300));
  }
  double next() {
    const double step = static_cast<double>(below(rng_, 900));
    switch (kind_) {
      case Values::gauge:
        return level_ += (step - 450) / 8;
      case Values::huge:
        return chance(rng_, 8) ? level_ = 0 : level_ += step * 1e300;
      case Values::tiny:
        return chance(rng_, 4)    ? level_ = 0
               : chance(rng_, 10) ? level_ = 5e-324
                                  : level_ += step * (chance(rng_, 50) ? 1e-310 : 1e-300);
      case Values::flat:
        return chance(rng_, 2) ? level_ = step : level_;
      case Values::zero:
        return chance(rng_, 6) ? level_ += step : chance(rng_, 8) ? level_ = 0 : level_;
      default:
        break;
    }
    if (chance(rng_, 3)) {
      level_ = kind_ == Values::negative ? -5000 : chance(rng_, 50) ? 0 : std::floor(step / 9);
    } else if (!chance(rng_, 20)) {
      level_ += kind_ == Values::fractional ? step / 41 : step;
    }
    if (kind_ == Values::with_nan && chance(rng_, 15)) return chance(rng_, 60) ? nan : -0.0;
    if (kind_ == Values::with_inf && chance(rng_, 15)) return chance(rng_, 60) ? inf : -inf;
    return level_;
  }

 private:
  Rng& rng_;
  Values kind_;
  double level_;
};

struct Life {
  std::int64_t spacing = 15'000, begin = 0, end = 0;
  bool jitter = false, gaps = false, returns = false, duplicates = false, churn = false;
};

class Maker {
 public:
  Maker(std::uint64_t seed, Route route, std::int64_t start) : rng_(seed) {
    world_.route = route;
    world_.start = start;
    world_.span = 5'400'000;
  }

  World make() {
    for (const char* name : {"calm_a", "calm_b", "wild", "sparse"}) metric(name);
    for (const char* name : {"hist", "hist_wild"}) histograms(name);
    for (const char* job : jobs)
      add(Labels({{"__name__", "info"}, {"job", job}, {"team", fmt::format("t{}", job[0])}}), life(15'000),
          chance(rng_, 50) ? Values::flat : Values::whole);
    std::sort(world_.series.begin(), world_.series.end(),
              [](const Series& a, const Series& b) { return a.labels < b.labels; });
    return std::move(world_);
  }

 private:
  static constexpr const char* jobs[] = {"api", "db", "web"};

  Life life(std::int64_t spacing) {
    Life out;
    out.spacing = spacing;
    out.begin = world_.start + (chance(rng_, 30) ? below(rng_, world_.span) / 2 : 0);
    out.end = world_.start + world_.span - (chance(rng_, 20) ? below(rng_, world_.span) / 2 : 0);
    out.jitter = chance(rng_, 40);
    out.gaps = chance(rng_, 60);
    out.returns = chance(rng_, 40);
    out.duplicates = chance(rng_, 30);
    return out;
  }

  Values values_of(const std::string& name) {
    static constexpr Values calm[] = {Values::whole, Values::fractional, Values::gauge,   Values::flat,
                                      Values::zero,  Values::big,        Values::negative};
    static constexpr Values wild[] = {Values::huge,     Values::tiny,     Values::tiny, Values::with_nan,
                                      Values::with_inf, Values::negative, Values::big,  Values::fractional};
    return name == "wild" || (name == "sparse" && chance(rng_, 50)) ? one_of(rng_, wild) : one_of(rng_, calm);
  }

  void metric(const std::string& name) {
    static constexpr std::int64_t spacings[] = {15'000, 15'000, 5'000, 61'003};
    static constexpr std::int64_t rare[] = {60'000, 240'000, 301'000};
    for (const char* job : jobs) {
      for (int inst = 0; inst < 4; ++inst) {
        if (chance(rng_, 10)) continue;
        const auto labels = [&](const char* version) {
          return Labels({{"__name__", name},
                         {"inst", std::to_string(inst)},
                         {"job", job},
                         {"version", version},
                         {"zone", inst == 3  ? ""
                                  : inst % 2 ? "east"
                                             : "west"}});
        };
        Life whole = life(name == "sparse" ? one_of(rng_, rare) : one_of(rng_, spacings));
        if (!chance(rng_, 35)) {
          add(labels("v1"), whole, values_of(name));
          continue;
        }
        Life after = whole;
        after.begin = whole.begin + (whole.end - whole.begin) / 4 + below(rng_, world_.span / 4);
        whole.end = after.begin + (chance(rng_, 50) ? 0 : below(rng_, 120'000) - 60'000);
        whole.churn = after.churn = true;
        add(labels("v1"), whole, values_of(name));
        add(labels("v2"), after, values_of(name));
      }
    }
  }

  void add(Labels labels, const Life& life, Values values) {
    Walk walk(rng_, values);
    Series series;
    series.labels = std::move(labels);
    series.spacing = life.spacing;
    series.churn = life.churn;
    for (std::int64_t time = life.begin; time < life.end;) {
      put(series, time, walk.next(), life.duplicates);
      const bool away = life.returns && chance(rng_, 1);
      if (away && world_.route == Route::remote_write && !series.samples.empty())
        put(series, time + life.spacing, stale_marker(), false);
      time += away                           ? life.spacing * (2 + below(rng_, 40))
              : life.gaps && chance(rng_, 3) ? life.spacing * (3 + below(rng_, 12))
              : life.jitter ? life.spacing - life.spacing / 16 + below(rng_, life.spacing / 8)
                            : life.spacing;
    }
    if (world_.route == Route::remote_write && chance(rng_, 60) && !series.samples.empty())
      put(series, series.samples.back().time + life.spacing, stale_marker(), false);
    if (!series.samples.empty()) world_.series.push_back(std::move(series));
  }

  void put(Series& series, std::int64_t time, double value, bool duplicates) {
    if (world_.route == Route::blocks) time = time_as_read(time);
    if (!series.samples.empty() && time <= series.samples.back().time) return;
    series.samples.push_back({time, value});
    if (!duplicates || !chance(rng_, 5)) return;
    const std::size_t after = series.samples.size() - 1;
    // Another value, an older time: the first one that came stays.
    if (chance(rng_, 50) || after == 0)
      series.refused.push_back({after, {time, chance(rng_, 50) ? value : value + 1}});
    else
      series.refused.push_back({after, {series.samples[after - 1].time, value}});
  }

  // Buckets that are counted together, and scraped together but for one that is missed now and then.
  void histograms(const std::string& name) {
    static const std::vector<std::string> all = {"0.1", "0.5", "1", "2.5", "10", "+Inf"};
    const bool wild = name == "hist_wild";
    for (const char* job : jobs) {
      for (int inst = 0; inst < 3; ++inst) {
        std::vector<std::string> bounds = all;
        if (chance(rng_, 60)) {
          const auto what = below(rng_, 4);
          if (what == 0) bounds.pop_back();
          if (what == 1) bounds.insert(bounds.begin() + 3, "1.0");
          if (what >= 2) bounds.erase(bounds.begin() + below(rng_, 5));
          if (what == 3) bounds.erase(bounds.begin() + below(rng_, 4));
        }
        if (wild && chance(rng_, 30)) bounds.insert(bounds.begin(), chance(rng_, 50) ? "-2" : "0");
        const auto values = wild ? values_of("wild") : chance(rng_, 70) ? Values::whole : Values::fractional;
        Life whole = life(15'000);
        if (!chance(rng_, 35)) {
          buckets(name, job, inst, bounds, values, whole);
          continue;
        }
        Life after = whole;
        whole.end = after.begin = whole.begin + (whole.end - whole.begin) / 2;
        whole.churn = after.churn = true;
        buckets(name, job, inst, bounds, values, whole);
        buckets(name, job, inst + 3, bounds, values, after);
      }
    }
  }

  void buckets(const std::string& name, const char* job, int inst, const std::vector<std::string>& bounds,
               Values values, const Life& life) {
    std::vector<Series> set;
    std::vector<Walk> walks;
    for (const std::string& bound : bounds) {
      Series& one = set.emplace_back();
      one.labels = Labels({{"__name__", name}, {"inst", std::to_string(inst)}, {"job", job}, {"le", bound}});
      one.missing_bucket = bounds.size() != 6 || bounds.front() != "0.1";
      one.churn = life.churn;
      walks.emplace_back(rng_, values);
    }
    const bool partial = chance(rng_, 40);
    const bool plain = values == Values::whole || values == Values::fractional;
    std::vector<double> counts(set.size(), 0);
    for (std::int64_t time = life.begin; time < life.end;) {
      const bool reset = chance(rng_, 2);
      double more = 0;
      for (std::size_t i = 0; i < set.size(); ++i) {
        if (plain) {
          more += static_cast<double>(below(rng_, 40)) / (values == Values::whole ? 1 : 7);
          counts[i] = reset ? more : counts[i] + more;
        } else {
          counts[i] = walks[i].next();
        }
        if (!partial || !chance(rng_, 3)) put(set[i], time, counts[i], life.duplicates);
      }
      const bool away = life.returns && chance(rng_, 1);
      for (Series& one : set)
        if (away && world_.route == Route::remote_write && !one.samples.empty())
          put(one, time + life.spacing, stale_marker(), false);
      time += away || (life.gaps && chance(rng_, 3)) ? life.spacing * (3 + below(rng_, 20))
              : life.jitter ? life.spacing - life.spacing / 16 + below(rng_, life.spacing / 8)
                            : life.spacing;
    }
    for (Series& one : set)
      if (!one.samples.empty()) world_.series.push_back(std::move(one));
  }

  Rng rng_;
  World world_;
};

HazardSet hazards_of(double value) {
  HazardSet out = 0;
  const double size = std::fabs(value);
  if (std::isnan(value)) return bit(Hazard::not_a_number);
  if (std::isinf(value)) out |= bit(Hazard::infinite);
  if (value < 0) out |= bit(Hazard::negative);
  if (value == 0) out |= std::signbit(value) ? bit(Hazard::minus_zero) : bit(Hazard::zero);
  if (size >= 1e100 && std::isfinite(value)) out |= bit(Hazard::huge);
  if (size >= 0x1p53 && size < 1e100) out |= bit(Hazard::big_integer);
  if (size < 1e-100 && value != 0) out |= bit(Hazard::tiny);
  if (size >= 1e-100 && std::floor(value) != value) out |= bit(Hazard::fraction);
  return out;
}

}  // namespace

std::int64_t below(Rng& rng, std::int64_t n) {
  return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n));
}
bool chance(Rng& rng, int percent) {
  return below(rng, 100) < percent;
}

std::string seconds_text(std::int64_t ms) {
  return fmt::format("{}.{:03}", ms / 1000, ms % 1000);
}

World make_world(std::uint64_t seed, Route route, std::int64_t start) {
  return Maker(seed, route, start).make();
}

HazardIndex::HazardIndex(const Series& series) : series_(series) {
  for (const Sample& sample : series.samples) {
    if (is_stale_marker(sample.value)) {
      markers_.push_back(sample.time);
      continue;
    }
    const double value = sample.value;
    alone_.push_back(hazards_of(value));
    HazardSet pair = 0;
    bool same = false;
    if (!times_.empty()) {
      const std::int64_t apart = sample.time - times_.back();
      if (value < values_.back()) pair |= bit(Hazard::reset);
      if (2 * apart > 5 * series.spacing)
        pair |= bit(Hazard::gap);
      else if (apart != series.spacing)
        pair |= bit(Hazard::jitter);
      same = value == values_.back();
    }
    with_last_.push_back(pair);
    run_.push_back(same ? run_.back() + 1 : 1);
    times_.push_back(sample.time);
    values_.push_back(value);
  }
  for (const Refused& refused : series.refused) {
    const std::int64_t time = series.samples[refused.after].time;
    const auto at = std::lower_bound(times_.begin(), times_.end(), time) - times_.begin();
    alone_[static_cast<std::size_t>(at)] |= bit(Hazard::duplicate);
  }
}

HazardSet HazardIndex::of_values(std::size_t from, std::size_t to) const {
  HazardSet out = 0;
  for (std::size_t i = from; i < to; ++i) out |= alone_[i] | (i > from ? with_last_[i] : 0);
  return out;
}

HazardSet HazardIndex::in(std::int64_t first, std::int64_t last, bool instant) const {
  if (times_.empty()) return 0;
  const auto place = [](const auto& bound, const auto& list) {
    return static_cast<std::size_t>(bound - list.begin());
  };
  const std::size_t from = place(std::lower_bound(times_.begin(), times_.end(), first), times_);
  const std::size_t to = place(std::upper_bound(times_.begin(), times_.end(), last), times_);
  HazardSet out = 0;
  const auto marker = std::lower_bound(markers_.begin(), markers_.end(), first);
  if (marker != markers_.end() && *marker <= last) out |= bit(Hazard::stale_marker);
  if (!instant && (last - first) % 1000 != 0) out |= bit(Hazard::odd_length);
  if (from == to) {
    if (from > 0 && to < times_.size()) out |= bit(Hazard::gap);
    if (series_.churn && (from == 0 || to == times_.size())) out |= bit(Hazard::label_churn);
    return out | bit(Hazard::empty);
  }
  const std::size_t begin = instant ? to - 1 : from, count = to - begin;
  out |= of_values(begin, to);
  if (begin == 0) out |= bit(Hazard::first_sample);
  if (to == times_.size() && markers_.empty() && times_.back() < last) out |= bit(Hazard::ended);
  if (series_.churn && (begin == 0 || to == times_.size())) out |= bit(Hazard::label_churn);
  if (series_.missing_bucket) out |= bit(Hazard::missing_bucket);
  if (times_[begin] == first) out |= bit(Hazard::edge_start);
  if (times_[to - 1] == last) out |= bit(Hazard::edge_end);
  const std::int64_t head = times_[begin] - first, tail = last - times_[to - 1];
  if (2 * tail > 5 * series_.spacing || (!instant && from > 0 && 2 * head > 5 * series_.spacing))
    out |= bit(Hazard::gap);
  if (instant) return out;
  if (count <= 2) out |= bit(Hazard::few);
  if (count >= 3 && run_[to - 1] >= count) out |= bit(Hazard::flat);
  const std::int64_t sampled = 11 * (times_[to - 1] - times_[begin]);
  const auto steps = 10 * static_cast<std::int64_t>(count - 1);
  if (count >= 2 && (head * steps == sampled || tail * steps == sampled)) out |= bit(Hazard::border);
  return out;
}

}  // namespace signalbox::parity
