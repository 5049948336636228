// A Prometheus' history into the store, over its HTTP API.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/base/host.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/sources/file.hpp"

namespace signalbox::sources {

struct PrometheusReport {
  LoadReport load;
  Semantics semantics = Semantics::prometheus2;  // by its version
  std::string version;
};

class PrometheusHistory {
 public:
  // `base` without /api: http://127.0.0.1:9090.
  PrometheusHistory(Http& http, std::string base, const Limits& limits);

  // Whether a Prometheus answers there, and its version.
  void version(std::function<void(Result<std::string>)> done);

  // The raw samples of every selector of `plan` in [from − longest window, to], so that windows over them are worked out here, to
  // the bit what that Prometheus would answer. Which scrapes happened is taken from `up` of the same job and instance, over
  // query_range at the samples' own spacing, so that births are known. A partial answer (warnings) is an error: what is absent
  // from it may exist. `progress` hears of the share done.
  void load(const plan::Plan& plan, Instant from, Instant to, store::SeriesStore& store, std::function<void(double)> progress,
            std::function<void(Result<PrometheusReport>)> done);

 private:
  struct Load;
  void next(const std::shared_ptr<Load>& load);
  void get(const std::string& path, const std::string& query, std::function<void(Result<HttpResponse>)> done);

  Http& http_;
  std::string base_;
  Limits limits_;
};

}  // namespace signalbox::sources
