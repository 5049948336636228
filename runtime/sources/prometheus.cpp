#include "runtime/sources/prometheus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/formats/prometheus_json.hpp"
#include "runtime/promql/leaf_text.hpp"

namespace signalbox::sources {
namespace {

// One request asks for at most this much of one selector: enough to be few, little enough to stay far below the server's
// bound of 50 million samples a query for a thousand series at 5 s.
constexpr Duration piece = hours(6);

std::string percent_encoded(const std::string& text) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (char ch : text) {
    const auto c = static_cast<unsigned char>(ch);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += ch;
    } else {
      out += '%';
      out += hex[c >> 4];
      out += hex[c & 15];
    }
  }
  return out;
}

}  // namespace

struct PrometheusHistory::Load {
  std::vector<std::string> selectors;
  Instant begin, to;
  std::size_t selector = 0;
  Instant at;  // the end of the piece asked for next
  std::map<Labels, LoadedSeries> series;
  std::size_t pieces_done = 0, pieces = 0;
  store::SeriesStore* store = nullptr;
  PrometheusReport report;
  std::function<void(double)> progress;
  std::function<void(Result<PrometheusReport>)> done;
};

PrometheusHistory::PrometheusHistory(Http& http, std::string base, const Limits& limits) : http_(http), base_(std::move(base)), limits_(limits) {
  while (!base_.empty() && base_.back() == '/') base_.pop_back();
}

void PrometheusHistory::get(const std::string& path, const std::string& query, std::function<void(Result<HttpResponse>)> done) {
  HttpRequest request;
  request.url = base_ + path + (query.empty() ? "" : "?" + query);
  request.timeout = minutes(2);
  request.max_response_bytes = std::size_t{1} << 30;
  http_.send(std::move(request), std::move(done));
}

void PrometheusHistory::version(std::function<void(Result<std::string>)> done) {
  get("/api/v1/status/buildinfo", "", [done = std::move(done)](Result<HttpResponse> response) {
    if (!response) return done(response.error());
    if (response->status != 200) return done(Error{ErrorCode::malformed, fmt::format("HTTP {}: this is no Prometheus", response->status)});
    done(formats::parse_buildinfo_version(response->body));
  });
}

void PrometheusHistory::load(const plan::Plan& plan, Instant from, Instant to, store::SeriesStore& store, std::function<void(double)> progress,
                             std::function<void(Result<PrometheusReport>)> done) {
  auto load = std::make_shared<Load>();
  std::set<std::string> selectors;
  for (const plan::Leaf& leaf : plan.leaves) selectors.insert(promql::selector_text(leaf.matchers));
  selectors.insert("up");
  load->selectors.assign(selectors.begin(), selectors.end());
  load->begin = from - plan::longest_window(plan) - plan.lookback;
  load->to = to;
  load->at = load->begin;
  load->pieces = load->selectors.size() * static_cast<std::size_t>((to - load->begin).ms / piece.ms + 1);
  load->store = &store;
  load->progress = std::move(progress);
  load->done = std::move(done);
  version([this, load](Result<std::string> v) {
    if (!v) return load->done(v.error());
    load->report.version = *v;
    load->report.semantics = v->rfind("3.", 0) == 0 ? Semantics::prometheus3 : Semantics::prometheus2;
    next(load);
  });
}

void PrometheusHistory::next(const std::shared_ptr<Load>& load) {
  if (load->at >= load->to) {
    ++load->selector;
    load->at = load->begin;
  }
  if (load->selector == load->selectors.size()) {
    std::vector<LoadedSeries> series;
    for (auto& [labels, s] : load->series) series.push_back(std::move(s));
    Result<LoadReport> stored = store_with_births(std::move(series), *load->store);
    if (!stored) return load->done(stored.error());
    load->report.load = *stored;
    return load->done(load->report);
  }
  const Instant end = std::min(load->at + piece, load->to);
  // A millisecond more on the left: the ends of pieces are asked for twice in 2.x and once in 3.x, never not at all.
  const std::string range = promql::duration_text(end - load->at + milliseconds(1));
  const std::string query = fmt::format("query={}&time={:.3f}", percent_encoded(fmt::format("{}[{}]", load->selectors[load->selector], range)), end.unix_seconds());
  load->at = end;
  get("/api/v1/query", query, [this, load](Result<HttpResponse> response) {
    if (!response) return load->done(response.error());
    const Result<formats::QueryAnswer> answer = formats::parse_query_answer(response->body, limits_);
    if (!answer) return load->done(answer.error());
    if (!answer->warnings.empty())
      return load->done(Error{ErrorCode::outcome_unknown, fmt::format("the answer is partial: {}", answer->warnings.front()), "ask again when its stores are back"});
    for (const formats::QuerySeries& s : answer->series) {
      LoadedSeries& into = load->series[s.labels];
      into.labels = s.labels;
      for (std::size_t i = 0; i < s.times.size(); ++i) {
        if (!into.times.empty() && s.times[i] <= into.times.back()) continue;
        into.times.push_back(s.times[i]);
        into.values.push_back(s.values[i]);
      }
    }
    ++load->pieces_done;
    if (load->progress) load->progress(static_cast<double>(load->pieces_done) / static_cast<double>(load->pieces));
    next(load);
  });
}

}  // namespace signalbox::sources
