#include "runtime/sources/prometheus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/promql/leaf_text.hpp"

namespace signalbox::sources {
namespace {

// What one request asks for of one selector: long enough to be few, short enough to stay far below the
// server's bound of 50 million samples a query for a thousand series every 5 s. Halved where it is too much.
constexpr Duration largest_piece = hours(6);
constexpr Duration smallest_piece = minutes(5);
// How much more of `up` is read, so that the latest scrapes are followed by another.
constexpr Duration up_ahead = minutes(5);

bool too_much(const Error& error) {
  return error.code == ErrorCode::limit_exceeded ||
         error.message.find("too many samples") != std::string::npos;
}

std::string regex_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

struct PrometheusHistory::Load {
  std::vector<std::vector<Matcher>> selectors;
  bool up_asked = false;
  Instant begin, to;
  Instant complete_to;
  std::size_t selector = 0;
  Instant at;  // where the next piece begins
  Duration piece = largest_piece;
  std::map<Labels, LoadedSeries> series;
  store::SeriesStore* store = nullptr;
  PrometheusReport report;
  std::function<void(double)> progress;
  std::function<void(Result<PrometheusReport>)> done;

  // The `up` of the jobs that there are samples of, in one selector.
  std::optional<std::vector<Matcher>> up() const {
    std::set<std::string> jobs;
    for (const auto& [labels, s] : series)
      if (!labels.get("job").empty() && !labels.get("instance").empty())
        jobs.insert(regex_quoted(labels.get("job")));
    if (jobs.empty()) return std::nullopt;
    return std::vector<Matcher>{{std::string(metric_name_label), MatchOp::equal, "up"},
                                {"job", MatchOp::regex, fmt::format("{}", fmt::join(jobs, "|"))}};
  }
  void take(const formats::QueryAnswer& answer) {
    for (const formats::QuerySeries& s : answer.series) {
      LoadedSeries& into = series.try_emplace(s.labels, LoadedSeries{s.labels, {}, {}}).first->second;
      into.times.insert(into.times.end(), s.times.begin(), s.times.end());
      into.values.insert(into.values.end(), s.values.begin(), s.values.end());
    }
  }
};

void PrometheusHistory::read(const plan::Plan& plan, Instant begin, Instant to, store::SeriesStore& store,
                             std::function<void(double)> progress,
                             std::function<void(Result<PrometheusReport>)> done) {
  auto load = std::make_shared<Load>();
  std::set<std::vector<Matcher>> selectors;
  for (const plan::Leaf& leaf : plan.leaves) selectors.insert(leaf.matchers);
  load->selectors.assign(selectors.begin(), selectors.end());
  load->begin = begin;
  load->to = to;
  load->complete_to = to;
  load->at = load->begin;
  load->store = &store;
  load->progress = std::move(progress);
  load->done = std::move(done);
  version([this, load](Result<std::string> version) {
    if (!version) return load->done(version.error());
    load->report.version = *version;
    load->report.semantics = semantics_of(*version);
    next(load);
  });
}

void PrometheusHistory::load(const plan::Plan& plan, Instant from, Instant to, store::SeriesStore& store,
                             std::function<void(double)> progress,
                             std::function<void(Result<PrometheusReport>)> done) {
  read(plan, from - plan::longest_window(plan) - plan.lookback, to, store, std::move(progress),
       std::move(done));
}

void PrometheusHistory::next(const std::shared_ptr<Load>& load) {
  if (load->at >= load->to) {
    ++load->selector;
    load->at = load->begin;
    load->piece = largest_piece;
  }
  if (load->selector >= load->selectors.size()) {
    const auto up = load->up_asked ? std::nullopt : load->up();
    load->up_asked = true;
    if (!up) return finish(load);
    load->selectors.push_back(*up);
    load->to = load->to + up_ahead;
  }
  const Instant end = std::min(load->at + load->piece, load->to);
  // A millisecond more on the left: the ends of pieces are asked for twice in 2.x and once in 3.x, never not
  // at all. The store keeps the first of two samples at one time.
  const Duration range = end - load->at + milliseconds(1);
  const std::string expression = fmt::format("{}[{}]", promql::selector_text(load->selectors[load->selector]),
                                             promql::duration_text(range));
  api_.query(expression, end, [this, load, end](Result<formats::QueryAnswer> answer) {
    if (!answer) {
      if (!too_much(answer.error()) || load->piece <= smallest_piece) return load->done(answer.error());
      load->piece.ms = std::max(smallest_piece.ms, load->piece.ms / 2);
      return next(load);
    }
    load->take(*answer);
    load->at = end;
    if (load->progress) {
      const double of_selector = static_cast<double>((end - load->begin).ms) /
                                 static_cast<double>(std::max<std::int64_t>(1, (load->to - load->begin).ms));
      load->progress((static_cast<double>(load->selector) + of_selector) /
                     static_cast<double>(load->selectors.size() + (load->up_asked ? 0 : 1)));
    }
    next(load);
  });
}

void PrometheusHistory::finish(const std::shared_ptr<Load>& load) {
  std::vector<LoadedSeries> series;
  series.reserve(load->series.size());
  for (auto& [labels, one] : load->series) series.push_back(std::move(one));
  load->series.clear();
  const Result<LoadReport> stored =
      store_loaded(std::move(series), {true, true, load->complete_to}, *load->store);
  if (!stored) return load->done(stored.error());
  load->report.load = *stored;
  load->done(load->report);
}

}  // namespace signalbox::sources
