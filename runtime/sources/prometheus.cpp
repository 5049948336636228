#include "runtime/sources/prometheus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/plan/leaf_spans.hpp"
#include "runtime/promql/leaf_text.hpp"

namespace signalbox::sources {
namespace {

// What one request asks for of one selector is halved where it is too much, and not below this.
constexpr Duration smallest_piece = minutes(5);
// How much more of `up` is read.
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

namespace {

// Whether anything is asked about at an instant that is named.
bool looks_elsewhere(const plan::Plan& plan) {
  return std::any_of(plan.leaves.begin(), plan.leaves.end(),
                     [](const plan::Leaf& leaf) { return leaf.window.at.has_value(); }) ||
         std::any_of(plan.nodes.begin(), plan.nodes.end(),
                     [](const plan::Node& node) { return node.subquery.window.at.has_value(); });
}

// Those that meet become one.
std::vector<plan::Span> merged(std::vector<plan::Span> spans) {
  std::sort(spans.begin(), spans.end(),
            [](const plan::Span& a, const plan::Span& b) { return a.from < b.from; });
  std::vector<plan::Span> out;
  for (const plan::Span& span : spans) {
    if (!out.empty() && span.from <= out.back().to)
      out.back().to = std::max(out.back().to, span.to);
    else
      out.push_back(span);
  }
  return out;
}

}  // namespace

struct PrometheusHistory::Load {
  struct Part {  // what is asked for of one selector
    std::vector<Matcher> selector;
    Instant begin, to;
  };
  std::vector<Part> parts;  // of one selector in the order of time
  bool up_asked = false;
  Instant complete_to;
  std::size_t part = 0;
  Instant at;  // where the next piece begins
  Duration piece;
  std::map<Labels, LoadedSeries> series;
  store::SeriesStore* store = nullptr;
  PrometheusReport report;
  std::function<void(double)> progress;
  std::function<void(Result<PrometheusReport>)> done;

  // The `up` of the jobs that there are samples of, in one selector, wherever something was asked for and a
  // little further, so that the latest scrapes are followed by another.
  std::vector<Part> up() const {
    std::set<std::string> jobs;
    for (const auto& [labels, s] : series)
      if (!labels.get("job").empty() && !labels.get("instance").empty())
        jobs.insert(regex_quoted(labels.get("job")));
    if (jobs.empty()) return {};
    std::vector<plan::Span> spans;
    for (const Part& one : parts) spans.push_back({one.begin, one.to + up_ahead});
    std::vector<Part> out;
    for (const plan::Span& span : merged(std::move(spans)))
      out.push_back({{{std::string(metric_name_label), MatchOp::equal, "up"},
                      {"job", MatchOp::regex, fmt::format("{}", fmt::join(jobs, "|"))}},
                     span.from,
                     span.to});
    return out;
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
  Spans spans;
  for (const plan::Leaf& leaf : plan.leaves) spans[leaf.matchers] = {{begin, to}};
  read_spans(spans, to, store, std::move(progress), std::move(done));
}

void PrometheusHistory::load(const plan::Plan& plan, Instant from, Instant to, store::SeriesStore& store,
                             std::function<void(double)> progress,
                             std::function<void(Result<PrometheusReport>)> done) {
  // As a rule all of it: a series that was read from later on than others would look as if born then.
  if (!looks_elsewhere(plan))
    return read(plan, from - plan::longest_window(plan) - plan.lookback, to, store, std::move(progress),
                std::move(done));
  Spans spans;
  const std::vector<std::optional<plan::Span>> of_leaf = plan::leaf_spans(plan, from, to);
  Instant last = to;
  for (std::size_t i = 0; i < of_leaf.size(); ++i) {
    if (!of_leaf[i]) continue;
    spans[plan.leaves[i].matchers].push_back(*of_leaf[i]);
    last = std::max(last, of_leaf[i]->to);
  }
  read_spans(spans, last, store, std::move(progress), std::move(done));
}

void PrometheusHistory::read_spans(const Spans& spans, Instant to, store::SeriesStore& store,
                                   std::function<void(double)> progress,
                                   std::function<void(Result<PrometheusReport>)> done) {
  auto load = std::make_shared<Load>();
  for (const auto& [selector, of_it] : spans)
    for (const plan::Span& span : merged(of_it)) load->parts.push_back({selector, span.from, span.to});
  load->complete_to = to;
  if (!load->parts.empty()) load->at = load->parts[0].begin;
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

void PrometheusHistory::next(const std::shared_ptr<Load>& load) {
  if (load->part < load->parts.size() && load->at >= load->parts[load->part].to) {
    load->piece = samples_->stretch();
    if (++load->part < load->parts.size()) load->at = load->parts[load->part].begin;
  }
  if (load->part >= load->parts.size()) {
    const std::vector<Load::Part> up = load->up_asked ? std::vector<Load::Part>{} : load->up();
    load->up_asked = true;
    if (up.empty()) return finish(load);
    load->at = up[0].begin;
    load->parts.insert(load->parts.end(), up.begin(), up.end());
  }
  const Load::Part& part = load->parts[load->part];
  const Instant end = std::min(load->at + load->piece, part.to);
  samples_->read(part.selector, load->at, end, [this, load, end](Result<RawSamples::Answer> answer) {
    if (!answer) {
      if (answer.error().code != ErrorCode::limit_exceeded || load->piece <= smallest_piece)
        return load->done(answer.error());
      load->piece.ms = std::max(smallest_piece.ms, load->piece.ms / 2);
      return next(load);
    }
    load->take(*std::move(answer));
    load->at = end;
    if (load->progress) {
      const Load::Part& here = load->parts[load->part];
      const double of_part = static_cast<double>((end - here.begin).ms) /
                             static_cast<double>(std::max<std::int64_t>(1, (here.to - here.begin).ms));
      load->progress((static_cast<double>(load->part) + of_part) /
                     static_cast<double>(load->parts.size() + (load->up_asked ? 0 : 1)));
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
