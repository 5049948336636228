// Inputs for timing the program as a whole.
//
//   bench_data day            a day of a shop's metrics in two regions, a scrape every 5 s, as OpenMetrics
//   bench_data program LINES  a program of about so many lines, its SLOs all different
//   bench_data recording pages|series SLOS DAYS
//                             two counters for each SLO, a scrape a minute, as OpenMetrics: page after page
//                             as scrapes come, or series after series as exports come
//   bench_data replay SLOS    the program whose SLOs read that recording
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

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

struct Counters {
  double bad = 0, all = 0;
  int ill_from = 0, ill_to = 0;
  std::mt19937_64 random;
};

void recording(bool by_page, int slos, int days) {
  const int scrapes = days * 1440;
  std::vector<Counters> services(static_cast<std::size_t>(slos));
  for (std::size_t s = 0; s < services.size(); ++s) {
    Counters& one = services[s];
    one.random.seed(s);
    one.ill_from = static_cast<int>(one.random() % static_cast<unsigned>(scrapes));
    one.ill_to = one.ill_from + 30 + static_cast<int>(one.random() % 600);
  }
  fmt::print("# TYPE bad counter\n# TYPE req counter\n");
  std::string out;
  const auto scrape = [&](std::size_t s, int i, bool bad, bool all) {
    Counters& one = services[s];
    const double requests = 6000 + static_cast<double>(one.random() % 400);
    const double share = i >= one.ill_from && i < one.ill_to ? 0.05 : 0.0003;
    one.all += requests;
    one.bad += static_cast<double>(
        static_cast<int>(requests * share + static_cast<double>(one.random() % 1000) / 1000));
    const std::int64_t time = start / 60 * 60 + 60 * std::int64_t{i};
    if (bad) out += fmt::format("bad_total{{svc=\"{}\",env=\"prod\"}} {} {}\n", s, one.bad, time);
    if (all) out += fmt::format("req_total{{svc=\"{}\",env=\"prod\"}} {} {}\n", s, one.all, time);
    if (out.size() < 1 << 20) return;
    std::fwrite(out.data(), 1, out.size(), stdout);
    out.clear();
  };
  if (by_page) {
    for (int i = 0; i < scrapes; ++i)
      for (std::size_t s = 0; s < services.size(); ++s) scrape(s, i, true, true);
  } else {
    for (std::size_t s = 0; s < services.size(); ++s) {
      const Counters before = services[s];
      for (int i = 0; i < scrapes; ++i) scrape(s, i, true, false);
      services[s] = before;
      for (int i = 0; i < scrapes; ++i) scrape(s, i, false, true);
    }
  }
  fmt::print("{}# EOF\n", out);
}

void replay(int slos) {
  fmt::print(
      "use std.burn\ntick 1m\nsource s is scrape {{ url \"http://127.0.0.1:1/metrics\" every 1m  semantics 2 "
      "}}\n"
      "metric bad_total is counter with (svc, env)\nmetric req_total is counter with (svc, env)\n"
      "receiver r is log {{ }}\n");
  for (int s = 0; s < slos; ++s)
    fmt::print(
        "slo s{0} {{ indicator bad bad_total{{svc=\"{0}\"}} of req_total{{svc=\"{0}\"}}  objective 99.9% "
        "over 30d  "
        "burn std.burn.google  page r  ticket r }}\n",
        s);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "day") {
    day();
  } else if (what == "program" && argc > 2) {
    program(std::atoi(argv[2]));
  } else if (what == "recording" && argc > 4) {
    recording(std::string_view(argv[2]) == "pages", std::atoi(argv[3]), std::atoi(argv[4]));
  } else if (what == "replay" && argc > 2) {
    replay(std::atoi(argv[2]));
  } else {
    fmt::print(stderr,
               "usage: bench_data day | program LINES | recording pages|series SLOS DAYS | replay SLOS\n");
    return 2;
  }
}
