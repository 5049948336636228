#include "runtime/formats/remote_read.hpp"

#include <fmt/format.h>

#include "runtime/formats/text.hpp"
#include "runtime/sources/prometheus.hpp"
#include "runtime/sources/raw_samples.hpp"

namespace signalbox::sources {
namespace {

class RemoteRead final : public RawSamples {
 public:
  RemoteRead(Http& http, std::string url, const Limits& limits)
      : http_(http), url_(std::move(url)), limits_(limits) {}

  void read(const std::vector<Matcher>& selector, Instant from, Instant to,
            std::function<void(Result<Answer>)> done) override {
    const formats::RemoteReadQuery query{from, to, selector};
    HttpRequest request;
    request.method = "POST";
    request.url = url_;
    request.headers = {{"Content-Type", "application/x-protobuf"},
                       {"Content-Encoding", "snappy"},
                       {"Accept-Encoding", "snappy"},
                       {"X-Prometheus-Remote-Read-Version", "0.1.0"}};
    request.body = formats::remote_read_request(query);
    request.timeout = answer_patience;
    request.max_response_bytes = limits_.answer_bytes;
    http_.send(std::move(request), [this, query, done = std::move(done)](Result<HttpResponse> response) {
      done(response ? taken(*response, query) : Result<Answer>(told(response.error())));
    });
  }
  // Chunks take a byte or two a sample, and those at the borders of a stretch are read twice.
  Duration stretch() const override { return days(1); }
  bool tells_ends() const override { return true; }

 private:
  Error told(const Error& e) const { return {e.code, fmt::format("{}: {}", url_, e.message), e.hint}; }

  Result<Answer> taken(const HttpResponse& response, const formats::RemoteReadQuery& query) const {
    if (response.status != 200) {
      const std::string said = formats::excerpt(response.body);
      // Of those who answer in samples, as one message.
      if (response.body.find("exceeded sample limit") != std::string::npos)
        return told({ErrorCode::limit_exceeded, said, {}});
      const bool again = response.status >= 500 || response.status == 429;
      return told({again ? ErrorCode::outcome_unknown : ErrorCode::malformed,
                   fmt::format("HTTP {} instead of samples: {}", response.status, said),
                   "the URL is the one that a Prometheus' remote_read would have"});
    }
    Result<formats::RemoteReadAnswer> answer =
        formats::parse_remote_read(response.content_type, response.body, query, limits_);
    if (!answer) return told(answer.error());
    Answer out;
    out.passed_over = answer->passed_over;
    out.series.reserve(answer->series.size());
    for (formats::RemoteReadSeries& one : answer->series) {
      LoadedSeries series{std::move(one.labels), {}, {}, {}, {}};
      for (TimedHistogram& h : one.histograms) {
        if (h.histogram)
          series.histograms.push_back(std::move(h));
        else
          series.ends.push_back(h.time);
      }
      for (std::size_t i = 0; i < one.times.size(); ++i) {
        if (is_stale_marker(one.values[i])) {
          series.ends.push_back(one.times[i]);
          continue;
        }
        series.times.push_back(one.times[i]);
        series.values.push_back(one.values[i]);
      }
      out.series.push_back(std::move(series));
    }
    return out;
  }

  Http& http_;
  std::string url_;
  Limits limits_;
};

}  // namespace

bool is_remote_read(std::string_view url) {
  return url.ends_with(remote_read_path);
}

std::unique_ptr<RawSamples> make_remote_read(Http& http, std::string url, const Limits& limits) {
  return std::make_unique<RemoteRead>(http, std::move(url), limits);
}

}  // namespace signalbox::sources
