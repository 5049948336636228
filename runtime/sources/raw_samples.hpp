// Raw samples of one selector, asked of a server: over the query API, or by remote read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/host.hpp"
#include "runtime/sources/file.hpp"

namespace signalbox::sources {

class RawSamples {
 public:
  virtual ~RawSamples() = default;
  struct Answer {
    std::vector<LoadedSeries> series;
    std::size_t passed_over = 0;  // samples of a kind that is not known
  };
  // All in (from, to], and perhaps one at `from`. Must outlive its requests. `limit_exceeded`: a shorter
  // stretch may go. Other errors are those of PrometheusApi.
  virtual void read(const std::vector<Matcher>& selector, Instant from, Instant to,
                    std::function<void(Result<Answer>)> done) = 0;
  // How long a stretch is asked for: long enough to be few, short enough that its answer stays small.
  virtual Duration stretch() const = 0;
  // Whether stale markers come with the samples.
  virtual bool tells_ends() const = 0;
};

// The path by which Prometheus answers remote read; a URL that ends with it is asked so.
inline constexpr std::string_view remote_read_path = "/api/v1/read";
bool is_remote_read(std::string_view url);

// `url` is whole, as in a Prometheus' configuration of remote_read.
std::unique_ptr<RawSamples> make_remote_read(Http& http, std::string url, const Limits& limits);

}  // namespace signalbox::sources
