// Inputs for timing the program as a whole.
//
//   bench_data day            a day of a shop's metrics in two regions, a scrape every 5 s, as OpenMetrics
//   bench_data program LINES  a program of about so many lines, its SLOs all different
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr std::int64_t start = 1'700'000'000 / 5 * 5;

// Fails a quarter of the requests for ten minutes every six hours, after a deploy.
void day() {
  const char* regions[] = {"eu", "us"};
  const char* bounds[] = {"0.1", "0.3", "1.0", "+Inf"};
  const double within[] = {400, 498, 499, 500};
  std::string out;
  const auto samples = [&](const std::string& series, auto value) {
    double sum = 0;
    for (int i = 0; i < 17'280; ++i) {
      sum = value(i, sum);
      out += fmt::format("{} {} {}\n", series, sum, start + 5 * i);
    }
  };
  const auto failing = [](int i) { return i % 4'320 >= 2'160 && i % 4'320 < 2'280; };
  out += "# TYPE http_requests counter\n";
  for (const char* region : regions) {
    samples(fmt::format("http_requests_total{{service=\"checkout\",env=\"prod\",region=\"{}\",code=\"200\"}}",
                        region),
            [&](int i, double sum) { return sum + (failing(i) ? 375 : 500); });
    samples(fmt::format("http_requests_total{{service=\"checkout\",env=\"prod\",region=\"{}\",code=\"500\"}}",
                        region),
            [&](int i, double sum) {
              return sum + (failing(i) ? 125 : i % 8 == 0 ? 1 : 0);
            });
  }
  out += "# TYPE http_request_duration_seconds histogram\n";
  for (const char* region : regions) {
    const std::string labels = fmt::format("service=\"checkout\",region=\"{}\",endpoint=\"/pay\"", region);
    for (int b = 0; b < 4; ++b)
      samples(fmt::format("http_request_duration_seconds_bucket{{{},le=\"{}\"}}", labels, bounds[b]),
              [&](int, double sum) { return sum + within[b]; });
    samples(fmt::format("http_request_duration_seconds_count{{{}}}", labels),
            [](int, double sum) { return sum + 500; });
    samples(fmt::format("http_request_duration_seconds_sum{{{}}}", labels),
            [](int, double sum) { return sum + 60; });
  }
  out += "# TYPE checkout_deployed_timestamp_seconds gauge\n";
  samples("checkout_deployed_timestamp_seconds", [&](int i, double) {
    return static_cast<double>(start + 5 * (i / 4'320 * 4'320 + (i % 4'320 >= 2'160 ? 2'159 : 0)));
  });
  fmt::print("{}# EOF\n", out);
}

void program(int lines) {
  fmt::print(
      "use std.burn\ntick 15s\nsource all is scrape {{ url \"http://127.0.0.1:9090/metrics\"  every 15s }}\n"
      "receiver oncall is log {{ }}\n");
  for (int i = 0; 9 * i < lines; ++i)
    fmt::print(R"(
# The service s{0}.
slo availability_{0} per (region) max 50 {{
  about     "Customers of s{0} are served"
  indicator bad http_requests_total{{service="s{0}", code=~"5.."}} of http_requests_total{{service="s{0}"}}
  objective {1}% over 30d
  burn      std.burn.google
  page      oncall
}}
)",
               i, 98 + 0.01 * (i % 190));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "day") {
    day();
  } else if (what == "program" && argc > 2) {
    program(std::atoi(argv[2]));
  } else {
    fmt::print(stderr, "usage: bench_data day | bench_data program LINES\n");
    return 2;
  }
}
