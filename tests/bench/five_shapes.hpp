// A program of many SLOs whose rules have five shapes, whatever their thresholds, windows and series.
#pragma once

#include <fmt/format.h>

#include <string>

namespace signalbox::tests {

inline std::string five_shapes(int slos) {
  std::string out =
      "tick 1m\nsource s is scrape { url \"http://127.0.0.1:1/metrics\" every 1m  semantics 2 }\n"
      "metric bad_total is counter with (svc)\nmetric req_total is counter with (svc)\nreceiver r is log { "
      "}\n";
  for (int i = 0; i < slos; ++i) {
    const auto series = [&](const char* name) { return fmt::format("{}{{svc=\"i{}\"}}", name, i); };
    const std::string bad = series("bad_total"), all = series("req_total");
    // Good events are all of them, so that nothing burns.
    const std::string indicators[] = {fmt::format("bad {} of {}", bad, all),
                                      fmt::format("good {} of {}", all, all)};
    const std::string burns[] = {"page {} over 1h & 5m  ticket 2 over 6h & 30m", "page {} over 2h & 10m"};
    const std::string floors[] = {"", "", "floor 10 bad", "floor 10 bad", "floor 25 bad"};
    out += fmt::format(
        "slo s{} {{ indicator {}  objective {}% over 30d  burn {{ {} }}  {}  page r  ticket r }}\n", i,
        indicators[i % 2], 98 + 0.01 * (i % 190),
        fmt::format(fmt::runtime(burns[i % 3 == 0 ? 1 : 0]), 5 + i % 7), floors[i % 5]);
  }
  return out;
}

}  // namespace signalbox::tests
