#include "tests/parity/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "compiler/lower/compile.hpp"
#include "runtime/base/rational.hpp"
#include "runtime/eval/store_provider.hpp"
#include "tests/support/api_values.hpp"

namespace signalbox::parity {
namespace {

// The second is for sums of subnormal numbers, whose last digit is not small.
constexpr double least_error = 1e-320;
constexpr std::size_t reports_kept = 10, reports_of_one = 2;

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

std::string shown(std::optional<double> value) {
  if (!value) return "nothing";
  return fmt::format("{} (bits {:016x})", shortest(*value), std::bit_cast<std::uint64_t>(*value));
}

// In which spelling Signalbox is asked: its own, now and then PromQL, and PromQL where it has no other.
Dialect dialect_of(std::uint64_t number, const Expression& e) {
  return number % 5 >= 3 || is_promql_alone(e) ? Dialect::prometheus : Dialect::signalbox;
}

// What Prometheus names and the language does not: the metric, behind `default`.
bool drops_name(const Expression& e, Dialect dialect) {
  return dialect == Dialect::signalbox && e.feature == Feature::fallback;
}

// A row that has its name from one side of `default` at some instants is one row.
template <class Answer>
Answer without_names(const Answer& answer, std::size_t instants) {
  Answer out;
  for (const auto& [labels, row] : answer) {
    auto& merged = out[labels.without_name()];
    merged.resize(instants);
    for (std::size_t i = 0; i < instants; ++i)
      if (row[i]) merged[i] = row[i];
  }
  return out;
}

struct Use {
  LeafUse leaf;
  std::vector<std::size_t> series;
};

bool tells(const LabelFilter& filter, const Labels& row, const Labels& series) {
  const auto agree = [&](const Labels& names) {
    return std::all_of(names.pairs().begin(), names.pairs().end(), [&](const auto& pair) {
      return !filter.tells(pair.first) || row.get(pair.first) == series.get(pair.first);
    });
  };
  return agree(row) && agree(series);
}

}  // namespace

void Tally::add(const Tally& other) {
  expressions += other.expressions;
  refused_ambiguous += other.refused_ambiguous;
  compared += other.compared;
  counted += other.counted;
  exact += other.exact;
  close += other.close;
  unbounded += other.unbounded;
  mismatches += other.mismatches;
  for (const std::string& one : other.reports)
    if (reports.size() < reports_kept) reports.push_back(one);
  for (std::size_t f = 0; f < feature_count; ++f)
    for (std::size_t h = 0; h < hazard_count; ++h) cells[f][h] += other.cells[f][h];
}

Arena::Times Arena::times_for(Rng& rng, const Epoch& epoch, const Expression& e, bool at_border) const {
  static constexpr std::int64_t steps[] = {15'000, 15'000, 17'301, 12'500, 61'003, 240'000};
  const std::int64_t start = epoch.world.start, end = start + epoch.world.span;
  Times out;
  out.step = one_of(rng, steps);
  out.count = 25;
  const std::int64_t from = start - 300'000, to = end + 600'000;
  out.begin = from + below(rng, std::max<std::int64_t>(1, to - from - out.step * out.count));
  if (chance(rng, 60)) out.begin -= out.begin % 15'000;
  if (at_border) {
    // Few instants, one of them 1.1 spacings behind the last sample of most series or before the first.
    out.step = 15'000;
    out.count = 4;
    out.begin = chance(rng, 70) ? end + 1500 - out.step * below(rng, out.count) : start + 28'500;
  } else if (chance(rng, 35)) {
    // 1.1 spacings behind a last sample: of a series before its gap, or, at one of the instants, of most
    // series.
    out.step = 15'000;
    out.begin = start + (chance(rng, 30) ? 500 : 1500) + out.step * below(rng, 340);
    if (chance(rng, 70)) out.begin = end + 1500 - out.step * below(rng, out.count);
  }
  if ((all_features(e) & (bit(Feature::absent) | bit(Feature::absent_over_time))).any() && chance(rng, 75)) {
    // Windows with one sample or none, where most series begin and end.
    out.step = 5000;
    out.count = 40;
    out.begin = (chance(rng, 50) ? start : end - 15'000) - out.step * below(rng, 30);
    return out;
  }
  if (chance(rng, 6)) {
    out.instants = true;
    out.step *= 7;
    out.count = 8;
  }
  return out;
}

std::optional<Arena::Answer> Arena::ask(const std::string& query, const Times& times,
                                        std::string& error) const {
  Answer out;
  const auto take = [&](const Labels& labels, const nlohmann::json& point) {
    Row& row = out[labels];
    row.resize(static_cast<std::size_t>(times.count));
    const std::int64_t at = std::llround(point[0].get<double>() * 1000);
    row[static_cast<std::size_t>((at - times.begin) / times.step)] =
        test::api_value(point[1].get<std::string>());
  };
  const auto read = [&](const std::string& request) {
    const wire::HttpAnswer http = server_->get(request);
    const nlohmann::json answer = nlohmann::json::parse(http.body, nullptr, false);
    if (http.status != 200 || answer.is_discarded()) {
      error = http.body.empty() ? "no answer; " + server_->last_words() : http.body;
      return false;
    }
    const nlohmann::json& data = answer["data"];
    if (data["resultType"] == "scalar") {
      take({}, data["result"]);
      return true;
    }
    for (const nlohmann::json& series : data["result"]) {
      std::vector<Labels::Pair> pairs;
      for (const auto& [name, value] : series["metric"].items())
        pairs.emplace_back(name, value.get<std::string>());
      const Labels labels(std::move(pairs));
      if (series.contains("value")) take(labels, series["value"]);
      if (series.contains("values"))
        for (const nlohmann::json& point : series["values"]) take(labels, point);
    }
    return true;
  };
  const std::string encoded = wire::percent_encoded(query);
  if (!times.instants) {
    const auto last = static_cast<std::size_t>(times.count - 1);
    if (!read(fmt::format("/api/v1/query_range?query={}&start={}&end={}&step={}ms", encoded,
                          seconds_text(times.begin), seconds_text(times.at(last)), times.step)))
      return std::nullopt;
    return out;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(times.count); ++i)
    if (!read(fmt::format("/api/v1/query?query={}&time={}", encoded, seconds_text(times.at(i)))))
      return std::nullopt;
  return out;
}

std::optional<Arena::Answer> Arena::evaluate(const Expression& e, Dialect dialect, const Times& times,
                                             std::string& error) const {
  Answer out;
  if (times.instants && times.count > 1) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(times.count); ++i) {
      const auto one = evaluate(e, dialect, Times{times.at(i), times.step, 1, true}, error);
      if (!one) return std::nullopt;
      for (const auto& [labels, row] : *one) {
        Row& values = out[labels];
        values.resize(static_cast<std::size_t>(times.count));
        values[i] = row[0];
      }
    }
    return out;
  }
  const std::string text = text_of(e, dialect);
  lower::CompiledQuery query =
      dialect == Dialect::signalbox
          ? lower::compile_query(text, {})
          : lower::compile_promql(
                text,
                std::pair{Instant{times.at(0)}, Instant{times.at(static_cast<std::size_t>(times.count - 1))}},
                {});
  if (!query.plan) {
    error = source::render_text(query.diagnostics, query.sources);
    return std::nullopt;
  }
  eval::StoreProvider leaves(*store_);
  eval::ShapeRunner shapes(*query.plan, eval::Tier::interpreter, nullptr, nullptr);
  eval::Evaluation::Context context;
  context.plan = &*query.plan;
  context.leaves = &leaves;
  context.shapes = &shapes;
  context.semantics = semantics_;
  context.cache = eval::make_eval_cache();
  for (std::size_t i = 0; i < static_cast<std::size_t>(times.count); ++i) {
    context.at = {times.at(i)};
    eval::Evaluation evaluation(context);
    const eval::Column& column = evaluation.column(query.root);
    for (std::size_t row = 0; row < column.size(); ++row) {
      if (column.evidence[row] != 0) continue;
      Row& values = out[(*column.rows)[row]];
      values.resize(static_cast<std::size_t>(times.count));
      values[i] = column.value[row];
    }
  }
  return out;
}

std::vector<std::int64_t> Arena::ends_of(const LeafUse& use, const Times& times, std::size_t i) {
  // What is asked at one instant begins and ends there.
  if (times.instants) return read_at(use, times.at(i), times.at(i), times.at(i));
  return read_at(use, times.at(i), times.at(0), times.at(static_cast<std::size_t>(times.count - 1)));
}

void Arena::run(std::uint64_t number, Tally& tally) {
  Rng rng(seed_ * 1'000'003 + number);
  const Epoch& epoch = epochs_[number % 2];
  const bool at_border = chance(rng, 30);
  const ExpressionPtr e = make_expression(rng, epoch.world, at_border);
  const Times times = times_for(rng, epoch, *e, at_border);
  const Dialect dialect = dialect_of(number, *e);
  const std::string text = text_of(*e, dialect);
  ++tally.expressions;
  std::string error;
  const auto theirs = ask(text_of(*e, Dialect::prometheus), times, error);
  // Where rows are ambiguous Prometheus refuses the whole question, and Signalbox the row. The sides of
  // `default` and `or` may have names there, that get lost later and leave two equal rows.
  const auto said = [&](const char* words) { return error.find(words) != std::string::npos; };
  if (!theirs && (said("found duplicate series for the match group") || said("multiple matches for labels") ||
                  (said("metrics with the same labelset") &&
                   (all_features(*e) & (bit(Feature::fallback) | bit(Feature::set_or))).any()))) {
    ++tally.refused_ambiguous;
    return;
  }
  const auto ours = theirs ? evaluate(*e, dialect, times, error) : std::nullopt;
  if (!ours) {
    ++tally.mismatches;
    if (tally.reports.size() < reports_kept)
      tally.reports.push_back(fmt::format("{}\n  was refused by {}: {}\n{}", text,
                                          theirs ? "Signalbox" : "Prometheus", error, again(number)));
    return;
  }
  compare(number, e, epoch, times, *theirs, *ours, tally);
}

void Arena::compare(std::uint64_t number, const ExpressionPtr& e, const Epoch& epoch, const Times& times,
                    const Answer& theirs, const Answer& ours, Tally& tally) const {
  std::vector<Use> uses;
  for (LeafUse& leaf : leaves_of(*e)) {
    Use& use = uses.emplace_back(Use{std::move(leaf), {}});
    const auto found = store_->select(use.leaf.leaf->matchers);
    for (const store::SeriesId id : *found) {
      const auto at = epoch.by_labels.find(store_->labels(id));
      if (at != epoch.by_labels.end()) use.series.push_back(at->second);
    }
  }
  const auto count = static_cast<std::size_t>(times.count);
  const Dialect dialect = dialect_of(number, *e);
  std::map<Labels, std::pair<const Row*, const Row*>> rows;
  const Answer unnamed = drops_name(*e, dialect) ? without_names(theirs, count) : Answer{};
  for (const auto& [labels, row] : ours) rows[labels].second = &row;
  for (const auto& [labels, row] : drops_name(*e, dialect) ? unnamed : theirs) rows[labels].first = &row;

  std::optional<Answer> sizes;
  const auto within = [&](const Labels& labels, std::size_t i, double a, double b) {
    if (a == 0 && b == 0) return zero_has_any_sign(*e);
    if (!sizes) {
      std::string error;
      // In PromQL: the language refuses to match rows that it knows too little of.
      const ExpressionPtr bound = magnitude(e);
      sizes = bound ? evaluate(*bound, Dialect::prometheus, times, error) : std::nullopt;
      if (!sizes) sizes.emplace();
    }
    const auto size = sizes->find(labels.without_name());
    if (size == sizes->end() || !size->second[i]) return false;
    if (!std::isfinite(*size->second[i])) {
      ++tally.unbounded;
      return true;
    }
    return std::fabs(a - b) <= std::max(tolerance * *size->second[i], least_error);
  };

  std::vector<std::vector<HazardSet>> seen(uses.size());  // by use: series, then instant
  constexpr HazardSet unknown = ~HazardSet{0};
  for (std::size_t u = 0; u < uses.size(); ++u) seen[u].assign(uses[u].series.size() * count, unknown);
  std::vector<std::vector<std::vector<std::int64_t>>> ends(uses.size());  // of windows, by use and instant
  for (std::size_t u = 0; u < uses.size(); ++u)
    for (std::size_t i = 0; i < count; ++i) ends[u].push_back(ends_of(uses[u].leaf, times, i));
  const auto hazards_at = [&](std::size_t u, std::size_t s, std::size_t i) {
    HazardSet& set = seen[u][s * count + i];
    if (set == unknown) {
      const Expression& leaf = *uses[u].leaf.leaf;
      const bool instant = leaf.kind == Kind::selector;
      const HazardIndex& index = epoch.known[uses[u].series[s]].hazards;
      set = 0;
      for (const std::int64_t end : ends[u][i])
        set |= index.in(end - (instant ? 300'000 : leaf.window), end, instant);
    }
    return set;
  };

  std::size_t wrong = 0;
  std::vector<std::pair<std::size_t, std::size_t>> told;  // use and series behind a row
  for (const auto& [labels, pair] : rows) {
    told.clear();
    for (std::size_t u = 0; u < uses.size(); ++u)
      for (std::size_t s = 0; s < uses[u].series.size(); ++s)
        if (tells(uses[u].leaf.filter, labels, epoch.known[uses[u].series[s]].series->labels))
          told.emplace_back(u, s);
    for (std::size_t i = 0; i < count; ++i) {
      const auto of = [&](const Row* row) { return row ? (*row)[i] : std::nullopt; };
      const std::optional<double> a = of(pair.first), b = of(pair.second);
      ++tally.compared;
      const bool exact = a && b && same(*a, *b);
      const bool agree = exact || (!a && !b) || (a && b && within(labels, i, *a, *b));
      if (!agree) {
        ++tally.mismatches;
        if (++wrong <= reports_of_one && tally.reports.size() < reports_kept)
          tally.reports.push_back(report(number, *e, epoch, times, i, labels, a, b));
      }
      if (!a) continue;
      std::array<HazardSet, feature_count> met{};
      HazardSet any = 0;
      for (const auto& [u, s] : told) {
        const HazardSet set = hazards_at(u, s, i);
        any |= set;
        for (std::size_t f = 0; f < feature_count; ++f)
          if (uses[u].leaf.features.has(static_cast<Feature>(f))) met[f] |= set;
      }
      if (any == 0) continue;
      ++tally.counted;
      tally.exact += exact;
      tally.close += agree && !exact;
      for (std::size_t f = 0; f < feature_count; ++f)
        for (HazardSet left = met[f]; left != 0; left &= left - 1)
          ++tally.cells[f][static_cast<std::size_t>(std::countr_zero(left))];
    }
  }
}

std::string Arena::again(std::uint64_t number) const {
  return fmt::format("  again: ./dev parity --seed {} --expression {}\n", seed_, number);
}

std::string Arena::report(std::uint64_t number, const Expression& e, const Epoch& epoch, const Times& times,
                          std::size_t at, const Labels& row, std::optional<double> theirs,
                          std::optional<double> ours) const {
  std::string out = fmt::format("{}\n  at {} of {}\n  Prometheus: {}\n  Signalbox:  {}\n{}",
                                text_of(e, dialect_of(number, e)), seconds_text(times.at(at)), to_string(row),
                                shown(theirs), shown(ours), again(number));
  for (const LeafUse& use : leaves_of(e)) {
    const std::vector<std::int64_t> ends = ends_of(use, times, at);
    if (ends.empty()) continue;
    const std::int64_t last = ends.back();
    const std::int64_t first = ends.front() - (use.leaf->window > 0 ? use.leaf->window : 300'000);
    out += fmt::format("  {} reads {} to {}\n", text_of(*use.leaf, Dialect::prometheus), seconds_text(first),
                       seconds_text(last));
    const auto found = store_->select(use.leaf->matchers);
    for (const store::SeriesId id : *found) {
      const auto known = epoch.by_labels.find(store_->labels(id));
      if (known == epoch.by_labels.end() || !tells(use.filter, row, store_->labels(id))) continue;
      out += fmt::format("    {}:", to_string(store_->labels(id)));
      for (const Sample& sample : epoch.known[known->second].series->samples)
        if (sample.time >= first && sample.time <= last)
          out += fmt::format(" {}@{}", is_stale_marker(sample.value) ? "ended" : shortest(sample.value),
                             seconds_text(sample.time));
      out += "\n";
    }
  }
  return out;
}

Tally run_parity(std::uint64_t seed, std::uint64_t cases, std::string& error) {
  Tally tally;
  for (; tally.counted < cases && tally.reports.size() < reports_kept; ++seed) {
    const std::unique_ptr<Arena> arena = Arena::start(seed, error);
    if (!arena) break;
    for (std::uint64_t number = 0; number < expressions_of_a_world && tally.counted < cases; ++number)
      arena->run(number, tally);
  }
  return tally;
}

}  // namespace signalbox::parity
