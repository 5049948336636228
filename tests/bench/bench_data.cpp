// Inputs for timing the program as a whole.
//
//   bench_data day            a day of a shop's metrics in two regions, a scrape every 5 s, as OpenMetrics
//   bench_data program LINES  a program of about so many lines, its SLOs all different
//   bench_data recording pages|series SLOS DAYS
//                             two counters for each SLO, a scrape a minute, as OpenMetrics: page after page
//                             as scrapes come, or series after series as exports come; DAYS may have a
//                             fraction
//   bench_data replay SLOS    the program whose SLOs read that recording
//   bench_data rules SLOS     its burn rows as alerts of Prometheus and VictoriaMetrics
//   bench_data tests SLOS DAYS
//                             the recording and those rules as a file for `promtool test rules`, all but the
//                             tests; the rules are looked for in rules.yml
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/different_slos.hpp"

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
    return static_cast<double>(start + 5 * (i - i % 4'320 + (i % 4'320 >= 2'160 ? 2'159 : 0)));
  });
  fmt::print("{}# EOF\n", out);
}

struct Counters {
  double bad = 0, all = 0;
  int ill_from = 0, ill_to = 0;
  std::mt19937_64 random;
};

class Recording {
 public:
  Recording(int slos, double days)
      : scrapes_(static_cast<int>(days * 1440)), services_(static_cast<std::size_t>(slos)) {
    for (std::size_t s = 0; s < services_.size(); ++s) {
      Counters& one = services_[s];
      one.random.seed(s);
      one.ill_from = static_cast<int>(one.random() % static_cast<unsigned>(scrapes_));
      one.ill_to = one.ill_from + 30 + static_cast<int>(one.random() % 600);
    }
  }
  int scrapes() const { return scrapes_; }
  std::size_t slos() const { return services_.size(); }
  // Scrapes are to be asked for in their order.
  const Counters& scrape(std::size_t s, int i) {
    Counters& one = services_[s];
    const double requests = 6000 + static_cast<double>(one.random() % 400);
    const double share = i >= one.ill_from && i < one.ill_to ? 0.05 : 0.0003;
    one.all += requests;
    one.bad += static_cast<double>(
        static_cast<int>(requests * share + static_cast<double>(one.random() % 1000) / 1000));
    return one;
  }
  Counters& service(std::size_t s) { return services_[s]; }

 private:
  int scrapes_;
  std::vector<Counters> services_;
};

void flush(std::string& out, std::size_t from = 1 << 20) {
  if (out.size() < from) return;
  std::fwrite(out.data(), 1, out.size(), stdout);
  out.clear();
}

void recording(bool by_page, int slos, double days) {
  Recording all(slos, days);
  std::string out = "# TYPE bad counter\n# TYPE req counter\n";
  const auto line = [&](const char* name, std::size_t s, int i, double value) {
    out += fmt::format("{}{{svc=\"{}\",env=\"prod\"}} {} {}\n", name, s, value,
                       start / 60 * 60 + 60 * std::int64_t{i});
    flush(out);
  };
  if (by_page) {
    for (int i = 0; i < all.scrapes(); ++i)
      for (std::size_t s = 0; s < all.slos(); ++s) {
        const Counters& at = all.scrape(s, i);
        line("bad_total", s, i, at.bad);
        line("req_total", s, i, at.all);
      }
  } else {
    for (std::size_t s = 0; s < all.slos(); ++s) {
      const Counters before = all.service(s);
      for (int i = 0; i < all.scrapes(); ++i) line("bad_total", s, i, all.scrape(s, i).bad);
      all.service(s) = before;
      for (int i = 0; i < all.scrapes(); ++i) line("req_total", s, i, all.scrape(s, i).all);
    }
  }
  out += "# EOF\n";
  flush(out, 0);
}

// The rows of std.burn.google at 99.9%.
void rules(int slos) {
  struct {
    const char *long_window, *short_window, *theta, *severity;
  } constexpr rows[] = {{"1h", "5m", "0.0144", "page"},
                        {"6h", "30m", "0.006", "page"},
                        {"1d", "2h", "0.003", "ticket"},
                        {"3d", "6h", "0.001", "ticket"}};
  fmt::print("groups:\n- name: slos\n  interval: 1m\n  rules:\n");
  for (int s = 0; s < slos; ++s)
    for (const auto& row : rows) {
      const auto burns = [&](const char* window) {
        return fmt::format(
            "increase(bad_total{{svc=\"{0}\"}}[{1}]) / increase(req_total{{svc=\"{0}\"}}[{1}]) > {2}", s,
            window, row.theta);
      };
      fmt::print("  - alert: s{}_{}\n    expr: '{} and {}'\n    labels: {{severity: {}}}\n", s,
                 row.long_window, burns(row.long_window), burns(row.short_window), row.severity);
    }
}

void tests(int slos, double days) {
  Recording all(slos, days);
  fmt::print("rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n");
  for (std::size_t s = 0; s < all.slos(); ++s) {
    std::string bad, req;
    for (int i = 0; i < all.scrapes(); ++i) {
      const Counters& at = all.scrape(s, i);
      bad += fmt::format(" {}", at.bad);
      req += fmt::format(" {}", at.all);
    }
    fmt::print(
        "  - series: 'bad_total{{svc=\"{0}\",env=\"prod\"}}'\n    values: '{1}'\n"
        "  - series: 'req_total{{svc=\"{0}\",env=\"prod\"}}'\n    values: '{2}'\n",
        s, bad.substr(1), req.substr(1));
  }
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
  const bool recorded = what == "recording" || what == "tests";
  const int slos_at = what == "recording" ? 3 : 2;
  const bool some = argc <= slos_at || std::atoi(argv[slos_at]) > 0;
  const bool long_enough = !recorded || (argc > slos_at + 1 && std::atof(argv[slos_at + 1]) * 1440 >= 1);
  if (!some || !long_enough) {
    fmt::print(stderr, "bench_data: at least one, and at least a minute of it\n");
    return 2;
  }
  if (what == "day") {
    day();
  } else if (what == "program" && argc > 2) {
    fmt::print("{}", signalbox::tests::different_slos(std::atoi(argv[2])));
  } else if (what == "recording" && argc > 4) {
    recording(std::string_view(argv[2]) == "pages", std::atoi(argv[3]), std::atof(argv[4]));
  } else if (what == "replay" && argc > 2) {
    replay(std::atoi(argv[2]));
  } else if (what == "rules" && argc > 2) {
    rules(std::atoi(argv[2]));
  } else if (what == "tests" && argc > 3) {
    tests(std::atoi(argv[2]), std::atof(argv[3]));
  } else {
    fmt::print(stderr,
               "usage: bench_data day | program LINES | recording pages|series SLOS DAYS | replay SLOS | "
               "rules SLOS | tests SLOS DAYS\n");
    return 2;
  }
}
