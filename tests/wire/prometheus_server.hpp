// A Prometheus of the system's, on a loopback port and a directory of its own, for as long as the object
// lives.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/native_histogram.hpp"

namespace signalbox::wire {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

struct RemoteSeries;

class PrometheusServer {
 public:
  // Loads `open_metrics` (if any) into blocks with promtool and serves them. On failure the error says what
  // is missing.
  static std::unique_ptr<PrometheusServer> start(const std::string& open_metrics, std::string& error,
                                                 std::vector<std::string> flags = {},
                                                 const std::string& config = "global: {}\n");
  PrometheusServer(const PrometheusServer&) = delete;
  PrometheusServer& operator=(const PrometheusServer&) = delete;
  ~PrometheusServer();

  // Ends it as an administrator does, and starts it again on the same data.
  bool restart(std::string& error);
  std::string data() const { return directory_ + "/data"; }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  HttpAnswer get(const std::string& path_and_query) const;
  HttpAnswer post(const std::string& path, const std::vector<std::string>& headers,
                  const std::string& body) const;
  // By remote write.
  HttpAnswer write(const std::vector<RemoteSeries>& series) const;
  // The end of its log, and how it ended if it did: for an error where it gave no answer.
  std::string last_words() const;

 private:
  PrometheusServer() = default;
  HttpAnswer exchange(const std::string& request) const;
  bool launch(std::string& error);
  void stop(int signal);

  std::string directory_;
  std::vector<std::string> flags_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

std::string percent_encoded(const std::string& text);

// The body of a remote write (protocol 0.1, uncompressed literals in a snappy block). It carries the bits of
// each value, so that stale markers arrive as what they are; OpenMetrics text cannot say them.
struct RemoteSeries {
  std::vector<std::pair<std::string, std::string>> labels;  // sorted by name
  std::vector<std::pair<std::int64_t, double>> samples;
  // Null is a stale marker. As floats, or as whole numbers.
  std::vector<TimedHistogram> histograms = {};
  bool floats = false;
};
std::string remote_write_body(const std::vector<RemoteSeries>& series);

}  // namespace signalbox::wire
