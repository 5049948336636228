// A Prometheus' history into the store, over its query API or by remote read.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/host.hpp"
#include "runtime/formats/prometheus_json.hpp"
#include "runtime/plan/leaf_spans.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/sources/raw_samples.hpp"

namespace signalbox::sources {

// By the version that buildinfo reports.
Semantics semantics_of(std::string_view version);

// How long an answer may take.
inline constexpr Duration answer_patience = minutes(2);

// One Prometheus, asked questions. What it says of an error is an Error here: `unreachable` when it could not
// be asked; `outcome_unknown` for answers that are partial or that another try may give; see
// formats::parse_query_answer for the rest. Must outlive its requests.
class PrometheusApi {
 public:
  // `base` without /api: http://127.0.0.1:9090.
  PrometheusApi(Http& http, std::string base, const Limits& limits);
  // `malformed` when what answers there is no Prometheus.
  void version(std::function<void(Result<std::string>)> done);
  void query(const std::string& expression, Instant at,
             std::function<void(Result<formats::QueryAnswer>)> done);
  void query_range(const std::string& expression, Instant from, Instant to, Duration step,
                   std::function<void(Result<formats::QueryAnswer>)> done);

 private:
  void get(const std::string& path, std::function<void(Result<HttpResponse>)> done);
  void ask(const std::string& path, std::function<void(Result<formats::QueryAnswer>)> done);

  Http& http_;
  std::string base_;
  Limits limits_;
};

struct PrometheusReport {
  LoadReport load;
  Semantics semantics = Semantics::prometheus2;  // by its version
  std::string version;
  std::size_t passed_over = 0;  // samples of a kind that is not known
};

// Must outlive what it loads.
class PrometheusHistory {
 public:
  // `url` is a Prometheus' (http://127.0.0.1:9090), or where it, or what is like it, answers remote read
  // (http://127.0.0.1:9090/api/v1/read).
  PrometheusHistory(Http& http, const std::string& url, const Limits& limits);

  // `malformed` when what answers there is no Prometheus.
  void version(std::function<void(Result<std::string>)> done) { api_.version(std::move(done)); }
  // Of one that said this of its version. By remote read the history of what is no Prometheus is read too,
  // with the semantics of Prometheus 3.
  Result<Semantics> semantics_by(const Result<std::string>& version) const;

  // The raw samples of every selector of `plan` in [begin, to]: windows over them are worked out here, to the
  // bit what that Prometheus would answer. With them comes the `up` of their jobs, by which births and ends
  // are told (the query API does not hand out stale markers; remote read does). What the store has already
  // may be read again. `progress` hears of the share done.
  void read(const plan::Plan& plan, Instant begin, Instant to, store::SeriesStore& store,
            std::function<void(double)> progress, std::function<void(Result<PrometheusReport>)> done);
  // All that evaluating `plan` at instants in [from, to] needs.
  void load(const plan::Plan& plan, Instant from, Instant to, store::SeriesStore& store,
            std::function<void(double)> progress, std::function<void(Result<PrometheusReport>)> done);

 private:
  struct Load;
  using Spans = std::map<std::vector<Matcher>, std::vector<plan::Span>>;  // by selector
  void read_spans(const Spans& spans, Instant to, store::SeriesStore& store,
                  std::function<void(double)> progress, std::function<void(Result<PrometheusReport>)> done);
  void next(const std::shared_ptr<Load>& load);
  void finish(const std::shared_ptr<Load>& load);

  PrometheusApi api_;
  std::unique_ptr<RawSamples> samples_;
  bool remote_ = false;
};

}  // namespace signalbox::sources
