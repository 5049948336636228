#include "runtime/sources/scrape.hpp"

#include <fmt/format.h>

namespace signalbox::sources {

std::string instance_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  std::string host = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  // The colons of an IPv6 address stand in brackets.
  if (host.find(':', host.rfind(']') + 1) == std::string::npos)
    host += url.rfind("https", 0) == 0 ? ":443" : ":80";
  return host;
}

Scraper::Scraper(Http& http, store::SeriesStore& store, std::string url, std::string job, Duration timeout,
                 const Limits& limits)
    : http_(http),
      url_(std::move(url)),
      timeout_(timeout),
      limits_(limits),
      ingest_(store, std::move(job), instance_of(url_), limits) {}

void Scraper::scrape(Instant at, std::function<void(const Scraped&)> done) {
  HttpRequest request;
  request.url = url_;
  request.timeout = timeout_;
  request.max_response_bytes = limits_.scrape_body_bytes;
  request.headers = {
      {"Accept",
       "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}};
  http_.send(std::move(request), [this, at, done = std::move(done)](Result<HttpResponse> response) {
    const auto fail = [&](const Error& why) {
      ingest_.failed(at);
      done(why);
    };
    if (!response) return fail(response.error());
    if (response->status != 200)
      return fail({ErrorCode::unreachable, fmt::format("HTTP {} instead of metrics", response->status),
                   std::string(way_out_of_status(response->status))});
    std::size_t future = 0;
    const Result<void> taken = ingest_.page(at, response->content_type, response->body, &future);
    if (!taken) return fail(taken.error());
    std::optional<Error> left_out;
    if (future > 0)
      left_out =
          Error{ErrorCode::malformed,
                fmt::format("{} samples are later than the scrape that shows them and were left out", future),
                "compare the clocks"};
    done(Scraped(std::move(left_out)));
  });
}

}  // namespace signalbox::sources
