#include "runtime/sources/prometheus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/promql/leaf_text.hpp"

namespace signalbox::sources {
namespace {

// What one request asks for of one selector is halved where it is too much, and not below this.
constexpr Duration smallest_piece = minutes(5);
// How much more of `up` is read, so that the latest scrapes are followed by another.
constexpr Duration up_ahead = minutes(5);

std::string regex_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

class QueriedSamples final : public RawSamples {
 public:
  explicit QueriedSamples(PrometheusApi& api) : api_(api) {}

  void read(const std::vector<Matcher>& selector, Instant from, Instant to,
            std::function<void(Result<Answer>)> done) override {
    // A millisecond more on the left: the ends of stretches are asked for twice in 2.x and once in 3.x, never
    // not at all.
    const std::string expression = fmt::format("{}[{}]", promql::selector_text(selector),
                                               promql::duration_text(to - from + milliseconds(1)));
    api_.query(expression, to, [done = std::move(done)](Result<formats::QueryAnswer> answer) {
      if (!answer) {
        const Error& e = answer.error();
        const bool too_much = e.message.find("too many samples") != std::string::npos;
        return done(Error{too_much ? ErrorCode::limit_exceeded : e.code, e.message, e.hint});
      }
      Answer out;
      for (formats::QuerySeries& s : answer->series)
        out.series.push_back({std::move(s.labels), std::move(s.times), std::move(s.values), {}, {}});
      done(std::move(out));
    });
  }
  // Far below the server's bound of 50 million samples a query for a thousand series every 5 s.
  Duration stretch() const override { return hours(6); }
  bool tells_ends() const override { return false; }

 private:
  PrometheusApi& api_;
};

std::string without_remote_read(const std::string& url) {
  return is_remote_read(url) ? url.substr(0, url.size() - remote_read_path.size()) : url;
}

}  // namespace

PrometheusHistory::PrometheusHistory(Http& http, const std::string& url, const Limits& limits)
    : api_(http, without_remote_read(url), limits), remote_(is_remote_read(url)) {
  if (remote_)
    samples_ = make_remote_read(http, url, limits);
  else
    samples_ = std::make_unique<QueriedSamples>(api_);
}

Result<Semantics> PrometheusHistory::semantics_by(const Result<std::string>& version) const {
  if (version) return semantics_of(*version);
  if (remote_ && version.error().code == ErrorCode::malformed) return Semantics::prometheus3;
  return version.error();
}

struct PrometheusHistory::Load {
  std::vector<std::vector<Matcher>> selectors;
  bool up_asked = false;
  Instant begin, to;
  Instant complete_to;
  std::size_t selector = 0;
  Instant at;  // where the next piece begins
  Duration piece;
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
  void take(RawSamples::Answer&& answer) {
    report.passed_over += answer.passed_over;
    for (LoadedSeries& s : answer.series) {
      LoadedSeries& into = series.try_emplace(s.labels, LoadedSeries{s.labels, {}, {}, {}, {}}).first->second;
      into.times.insert(into.times.end(), s.times.begin(), s.times.end());
      into.values.insert(into.values.end(), s.values.begin(), s.values.end());
      into.ends.insert(into.ends.end(), s.ends.begin(), s.ends.end());
      into.histograms.insert(into.histograms.end(), s.histograms.begin(), s.histograms.end());
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
  load->piece = samples_->stretch();
  load->store = &store;
  load->progress = std::move(progress);
  load->done = std::move(done);
  version([this, load](Result<std::string> version) {
    const Result<Semantics> semantics = semantics_by(version);
    if (!semantics) return load->done(semantics.error());
    load->report.version = version ? *version : "";
    load->report.semantics = *semantics;
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
    load->piece = samples_->stretch();
  }
  if (load->selector >= load->selectors.size()) {
    const auto up = load->up_asked ? std::nullopt : load->up();
    load->up_asked = true;
    if (!up) return finish(load);
    load->selectors.push_back(*up);
    load->to = load->to + up_ahead;
  }
  const Instant end = std::min(load->at + load->piece, load->to);
  samples_->read(load->selectors[load->selector], load->at, end,
                 [this, load, end](Result<RawSamples::Answer> answer) {
                   if (!answer) {
                     if (answer.error().code != ErrorCode::limit_exceeded || load->piece <= smallest_piece)
                       return load->done(answer.error());
                     load->piece.ms = std::max(smallest_piece.ms, load->piece.ms / 2);
                     return next(load);
                   }
                   load->take(*std::move(answer));
                   load->at = end;
                   if (load->progress) {
                     const double of_selector =
                         static_cast<double>((end - load->begin).ms) /
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
      store_loaded(std::move(series), {true, !samples_->tells_ends(), load->complete_to}, *load->store);
  if (!stored) return load->done(stored.error());
  load->report.load = *stored;
  load->done(load->report);
}

}  // namespace signalbox::sources
