// Generated traces: the same everywhere, true to their ground truth, and read by those who read recordings.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "runtime/base/digest.hpp"
#include "runtime/generate/incidents.hpp"
#include "runtime/generate/random.hpp"
#include "runtime/generate/trace.hpp"
#include "runtime/generate/write.hpp"
#include "runtime/sources/file.hpp"
#include "tests/support/series.hpp"

namespace signalbox::generate {
namespace {

using Writer = Result<void> (*)(const TraceSpec&, const Out&);

std::string text_of(Writer writer, const TraceSpec& spec) {
  EXPECT_TRUE(check(spec)) << check(spec).error().message;
  std::string out;
  EXPECT_TRUE(writer(spec, [&](std::string_view bytes) {
    out += bytes;
    return Result<void>();
  }));
  return out;
}

TraceSpec small() {
  TraceSpec spec;
  spec.seed = 7;
  spec.services = 2;
  spec.duration = hours(6);
  spec.every = seconds(30);
  spec.incidents = parse_incidents("all").operator*();
  return spec;
}

std::vector<Incident> truth(const TraceSpec& spec) {
  std::vector<Incident> out;
  const Slots slots = slots_of(spec);
  for (std::uint32_t service = 0; service < spec.services; ++service)
    for (std::int64_t slot = 0; slot < slots.count; ++slot)
      if (const auto incident = incident_in(spec, slots, service, slot)) out.push_back(*incident);
  return out;
}

// A scrape by the names of what it shows.
struct Seen {
  Instant time;
  std::map<std::string, std::int64_t> readings;
  bool up() const { return readings.at("up") == 1; }
  std::int64_t requests() const { return readings.at("http_request_duration_seconds_count"); }
  std::int64_t failed() const { return readings.at("http_requests_total 500"); }
};
std::vector<std::vector<Seen>> seen(const TraceSpec& spec) {
  std::vector<std::vector<Seen>> out(spec.services);
  std::vector<std::string> names;  // the same for all services
  for (const Series& series : spec.services > 0 ? series_of(spec, 0) : std::vector<Series>{}) {
    std::string name(series.labels.get("__name__"));
    for (const char* label : {"code", "le"})
      if (const auto value = series.labels.get(label); !value.empty()) name += fmt::format(" {}", value);
    names.push_back(std::move(name));
  }
  Trace trace(spec);
  while (const Scrape* scrape = trace.next()) {
    EXPECT_TRUE(scrape->readings.size() == names.size() || scrape->readings.size() == 1);
    Seen one{scrape->time, {}};
    for (std::size_t i = 0; i < scrape->readings.size(); ++i) one.readings[names[i]] = scrape->readings[i];
    out[scrape->service].push_back(std::move(one));
  }
  return out;
}

bool rises(const std::string& name) {
  return name.starts_with("http_");
}

TEST(Generate, TheSameSeedGivesTheSameBytesOnEveryPlatform) {
  const TraceSpec spec = small();
  const std::string trace = text_of(write_trace, spec);
  EXPECT_EQ(trace, text_of(write_trace, spec));
  EXPECT_EQ(sha256_hex(trace), "c8b9608791c0a617f61a950b6acef9340c3194c271026832c9a584a1573c1e97");
  EXPECT_EQ(sha256_hex(text_of(write_truth, spec)),
            "e828e41e47eb4a82ce620fb58de5ca41f722d957e55800895ec1a5bf038e6470");
  TraceSpec other = spec;
  other.seed = 8;
  EXPECT_NE(text_of(write_trace, other), trace);
}

TEST(Generate, CountsHaveTheirMeanAndVariance) {
  Random random(1, 2, 3);
  for (const double mean : {0.0, 0.02, 1.0, 4.5, 9.99, 10.0, 37.0, 2500.0, 1e12}) {
    constexpr int draws = 40'000;
    double sum = 0, squares = 0;
    for (int i = 0; i < draws; ++i) {
      const double off = static_cast<double>(random.count(mean)) - mean;
      sum += off;
      squares += off * off;
    }
    EXPECT_NEAR(sum / draws, 0, 5 * std::sqrt(mean / draws)) << mean;
    EXPECT_NEAR(squares / draws, mean, 0.05 * mean + 0.01 * std::sqrt(mean) + 0.09 * (mean >= 10)) << mean;
  }
}

TEST(Generate, ScrapesComeInOrderAboutTheirSpacing) {
  TraceSpec spec = small();
  spec.services = 20;
  spec.jitter = seconds(5);
  Trace trace(spec);
  std::map<std::uint32_t, Instant> before;
  Instant last = spec.start;
  while (const Scrape* scrape = trace.next()) {
    EXPECT_GE(scrape->time, last);
    last = scrape->time;
    EXPECT_LT(last, spec.start + spec.duration);
    const auto [at, first] = before.try_emplace(scrape->service, last);
    if (!first && last - at->second < minutes(5)) {
      EXPECT_LE(std::abs((last - at->second - spec.every).ms), 2 * spec.jitter.ms);
    }
    at->second = last;
  }
  EXPECT_EQ(before.size(), 20u);
}

TEST(Generate, CountersFallAtDeploysAloneAndAgreeWithEachOther) {
  const TraceSpec spec = small();
  const auto services = seen(spec);
  std::size_t resets = 0;
  for (std::uint32_t s = 0; s < spec.services; ++s) {
    const Seen* before = nullptr;
    for (const Seen& now : services[s]) {
      if (!now.up()) continue;
      const auto& r = now.readings;
      EXPECT_EQ(now.requests(),
                r.at("http_requests_total 200") + r.at("http_requests_total 404") + now.failed());
      EXPECT_EQ(now.requests(), r.at("http_request_duration_seconds_bucket +Inf"));
      std::int64_t below = 0;
      for (const char* le : {"0.01", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "+Inf"}) {
        const std::int64_t bucket = r.at(fmt::format("http_request_duration_seconds_bucket {}", le));
        EXPECT_GE(bucket, below);
        below = bucket;
      }
      if (before != nullptr) {
        const bool deployed = r.at("service_deployed_timestamp_seconds") !=
                              before->readings.at("service_deployed_timestamp_seconds");
        for (const auto& [name, value] : r) {
          if (rises(name)) {
            EXPECT_TRUE(deployed || value >= before->readings.at(name)) << name;
          }
        }
        if (deployed) {
          EXPECT_LT(now.requests(), before->requests());
          ++resets;
        }
      }
      before = &now;
    }
  }
  EXPECT_EQ(resets, 2u);
}

// What is between two scrapes with an incident is compared with the same trace without: where the incident is
// not, they are equal to the bit, and where it is, they differ as it says.
class EachIncident : public testing::TestWithParam<std::size_t> {};

TEST_P(EachIncident, IsVisibleWhereItIsAndNowhereElse) {
  const auto kind = static_cast<IncidentKind>(GetParam());
  TraceSpec spec = small();
  spec.incidents = {kind};
  spec.duration = days(9);
  spec.every = minutes(1);
  TraceSpec calm = spec;
  calm.incidents = {};
  const auto with = seen(spec), without = seen(calm);
  const std::vector<Incident> incidents = truth(spec);
  ASSERT_EQ(incidents.size(), 6u) << name_of(kind);

  struct Sums {
    std::int64_t intervals = 0, requests = 0, failed = 0, calm_requests = 0, resets = 0, queue = 0,
                 calm_queue = 0;
  };
  std::vector<Sums> sums(incidents.size());
  for (std::uint32_t s = 0; s < spec.services; ++s) {
    std::map<std::int64_t, const Seen*> at;
    for (const Seen& one : with[s]) at[one.time.ms] = &one;
    for (std::size_t i = 1; i < without[s].size(); ++i) {
      const Seen &calm_before = without[s][i - 1], &calm_now = without[s][i];
      const auto before = at.find(calm_before.time.ms), now = at.find(calm_now.time.ms);
      std::size_t touched = incidents.size(), inside = incidents.size();
      for (std::size_t k = 0; k < incidents.size(); ++k) {
        if (incidents[k].service != s) continue;
        if (calm_now.time >= incidents[k].from && calm_before.time <= incidents[k].to) touched = k;
        if (calm_before.time >= incidents[k].from && calm_now.time < incidents[k].to) inside = k;
      }
      if (kind == IncidentKind::scrape_gap) {
        const bool gone = now == at.end() || !now->second->up();
        const bool in_gap = touched < incidents.size() && calm_now.time >= incidents[touched].from &&
                            calm_now.time < incidents[touched].to;
        EXPECT_EQ(gone, in_gap);
        if (in_gap) {
          EXPECT_EQ(now != at.end(), incidents[touched].answered);
        }
        if (!gone) {
          EXPECT_EQ(now->second->readings, calm_now.readings);  // the service went on meanwhile
        }
        if (touched < incidents.size()) ++sums[touched].intervals;
        continue;
      }
      ASSERT_TRUE(before != at.end() && now != at.end());
      const Seen &b = *before->second, &n = *now->second;
      if (touched == incidents.size()) {
        for (const auto& [name, value] : n.readings) {
          if (rises(name)) {
            EXPECT_EQ(value - b.readings.at(name), calm_now.readings.at(name) - calm_before.readings.at(name))
                << name << " " << to_rfc3339(n.time);
          }
        }
        EXPECT_EQ(n.readings.at("queue_depth"), calm_now.readings.at("queue_depth"));
        continue;
      }
      Sums& sum = sums[touched];
      if (n.requests() < b.requests()) ++sum.resets;
      if (inside == incidents.size() && kind != IncidentKind::deploy) continue;
      ++sum.intervals;
      sum.requests += n.requests() - b.requests();
      sum.failed += n.failed() - b.failed();
      sum.calm_requests += calm_now.requests() - calm_before.requests();
      sum.queue += n.readings.at("queue_depth");
      sum.calm_queue += calm_now.readings.at("queue_depth");
    }
  }
  for (std::size_t k = 0; k < incidents.size(); ++k) {
    const Incident& incident = incidents[k];
    const Sums& sum = sums[k];
    const auto ratio = [](std::int64_t a, std::int64_t b) {
      return static_cast<double>(a) / static_cast<double>(b);
    };
    EXPECT_GE(sum.intervals, 1);
    EXPECT_GE(incident.from, spec.start);
    EXPECT_LT(incident.to, spec.start + spec.duration);
    switch (kind) {
      case IncidentKind::outage:
      case IncidentKind::slow_burn:
        EXPECT_NEAR(ratio(sum.failed, sum.requests), incident.magnitude, 0.1 * incident.magnitude);
        EXPECT_NEAR(ratio(sum.requests, sum.calm_requests), 1, 0.05);
        if (kind == IncidentKind::outage) {
          EXPECT_GT(sum.queue, sum.calm_queue);
        }
        break;
      case IncidentKind::flapping:
        EXPECT_NEAR(ratio(sum.failed, sum.requests), incident.magnitude * 6 / 11, 0.15 * incident.magnitude);
        EXPECT_EQ(incident.to - incident.from, incident.phase * 11);
        break;
      case IncidentKind::deploy:
        EXPECT_EQ(sum.resets, 1);
        EXPECT_EQ(incident.from, incident.to);
        break;
      case IncidentKind::night:
        EXPECT_EQ(sum.requests, 0);
        EXPECT_EQ(sum.queue, 0);
        EXPECT_GT(sum.calm_requests, 0);
        break;
      case IncidentKind::growth:
        EXPECT_NEAR(ratio(sum.requests, sum.calm_requests), (1 + incident.magnitude) / 2, 0.3);
        EXPECT_LT(ratio(sum.failed, sum.requests), 0.003);
        break;
      case IncidentKind::scrape_gap:
        EXPECT_GE(sum.intervals, 4);
        break;
    }
    if (kind != IncidentKind::deploy) {
      EXPECT_EQ(sum.resets, 0);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Kinds, EachIncident, testing::Range<std::size_t>(0, incident_kinds),
                         [](const auto& one) {
                           return std::string(name_of(static_cast<IncidentKind>(one.param)));
                         });

TEST(Generate, EachServiceMeetsEachKindAndTheTruthSaysSo) {
  const TraceSpec spec = small();
  const std::vector<Incident> incidents = truth(spec);
  std::map<std::pair<std::uint32_t, IncidentKind>, int> times;
  for (const Incident& incident : incidents) ++times[{incident.service, incident.kind}];
  EXPECT_EQ(without_room(spec), (std::vector<IncidentKind>{}));
  EXPECT_EQ(times.size(), 2 * incident_kinds);
  EXPECT_EQ(incidents.size(), 2 * incident_kinds);

  const auto json = nlohmann::json::parse(text_of(write_truth, spec), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["seed"], 7);
  ASSERT_EQ(json["incidents"].size(), incidents.size());
  for (std::size_t i = 0; i < incidents.size(); ++i) {
    const auto& told = json["incidents"][i];
    EXPECT_EQ(told["kind"], name_of(incidents[i].kind));
    EXPECT_EQ(told["labels"]["service"], service_name(incidents[i].service));
    EXPECT_EQ(parse_instant(told["from"].get<std::string>()).operator*(), incidents[i].from);
    EXPECT_EQ(parse_instant(told["to"].get<std::string>()).operator*(), incidents[i].to);
    if (told.contains("error_ratio")) {
      EXPECT_EQ(told["error_ratio"], incidents[i].magnitude);
    }
    if (told.contains("traffic")) {
      EXPECT_EQ(told["traffic"], incidents[i].magnitude);
    }
    EXPECT_GE(told.size(), 5u);
  }
}

TEST(Generate, NightsAreAtNightWhenThereIsTime) {
  TraceSpec spec = small();
  spec.incidents = {IncidentKind::night};
  spec.duration = days(27);
  for (const Incident& incident : truth(spec))
    EXPECT_EQ(incident.from, grid_floor(incident.from, days(1), hours(1)));
}

TEST(Generate, WhatHasNoRoomIsNamedAndDoesNotCome) {
  TraceSpec spec = small();
  spec.duration = minutes(30);
  spec.incidents = {IncidentKind::flapping, IncidentKind::deploy, IncidentKind::flapping};
  EXPECT_EQ(without_room(spec), std::vector<IncidentKind>{IncidentKind::flapping});
  for (const Incident& incident : truth(spec)) EXPECT_EQ(incident.kind, IncidentKind::deploy);
}

TEST(Generate, IsReadAsARecording) {
  const TraceSpec spec = small();
  store::SeriesStore store{Limits{}};
  const std::string text = text_of(write_trace, spec);
  const auto loaded = sources::load_exposition(text, store, Limits{});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->series, 2 * series_of(spec, 0).size());
  std::size_t samples = 0;
  Trace trace(spec);
  Labels sum_of_0;
  for (const Series& series : series_of(spec, 0))
    if (series.labels.get("__name__") == "http_request_duration_seconds_sum") sum_of_0 = series.labels;
  std::int64_t sum = 0;
  while (const Scrape* scrape = trace.next()) {
    samples += scrape->readings.size();
    if (scrape->service == 0 && scrape->readings.size() > 1) sum = scrape->readings[12];
  }
  EXPECT_EQ(loaded->samples, samples);
  const auto id = store.find(sum_of_0);
  ASSERT_TRUE(id);
  EXPECT_EQ(test::latest(store, *id, loaded->last)->value, static_cast<double>(sum) / 1000);
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

TEST(Generate, LeavingMetricsOutChangesNothingInWhatStays) {
  TraceSpec spec = small();
  const std::string whole = text_of(write_trace, spec);
  std::string wanted;
  for (std::string_view rest = whole; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n') + 1);
    if (!line.starts_with("http_request_duration") && !line.starts_with("# TYPE http_request_duration"))
      wanted += line;
    rest.remove_prefix(line.size());
  }
  spec.metrics.latency = false;
  EXPECT_EQ(text_of(write_trace, spec), wanted);
}

TEST(Generate, LabelsAreAsManyAsAskedFor) {
  TraceSpec spec = small();
  const std::size_t before = series_of(spec, 1)[0].labels.size();
  spec.labels = 3;
  const Labels labels = series_of(spec, 1)[0].labels;
  EXPECT_EQ(labels.size(), before + 3);
  EXPECT_EQ(labels.get("label_3"), "value_1");
}

TEST(Generate, TheEdges) {
  const std::string nothing =
      "# TYPE up gauge\n# TYPE http_requests counter\n# TYPE http_request_duration_seconds histogram\n"
      "# TYPE queue_depth gauge\n# TYPE service_deployed_timestamp_seconds gauge\n# EOF\n";
  TraceSpec spec = small();
  spec.duration = {};
  EXPECT_EQ(text_of(write_trace, spec), nothing);
  EXPECT_TRUE(truth(spec).empty());
  spec.duration = milliseconds(1);
  EXPECT_TRUE(truth(spec).empty());

  spec = small();
  spec.every = days(1);
  for (const auto& service : seen(spec)) EXPECT_LE(service.size(), 1u);

  spec = small();
  spec.rate = 0;
  for (const auto& service : seen(spec))
    for (const Seen& one : service)
      if (one.up()) {
        EXPECT_EQ(one.requests(), 0);
      }

  spec.rate = 100;
  spec.errors = 1;
  for (const auto& service : seen(spec))
    for (const Seen& one : service)
      if (one.up()) {
        EXPECT_EQ(one.failed(), one.requests());
      }

  spec.errors = 0;
  spec.incidents = {};
  for (const auto& service : seen(spec)) EXPECT_EQ(service.back().failed(), 0);

  spec.rate = 5e9;  // 1.1e14 a service
  spec.swing = 0;
  for (const auto& service : seen(spec)) {
    EXPECT_NEAR(static_cast<double>(service.back().requests()), 5e9 * 6 * 3600, 1e12);
    EXPECT_GT(service.back().readings.at("http_request_duration_seconds_sum"),
              service.back().requests() * 100);
  }
}

TEST(Generate, WhatCannotBeIsRefusedWithAWayOut) {
  const auto refused = [](auto change) {
    TraceSpec spec = small();
    change(spec);
    const Result<void> result = check(spec);
    return !result && result.error().code == ErrorCode::invalid_argument && !result.error().hint.empty();
  };
  EXPECT_TRUE(check(small()));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.start = {-1}; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.duration = {-1}; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.duration = days(40'000); }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.every = milliseconds(99); }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.jitter = seconds(15); }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.services = 100'001; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.services = 0; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.labels = 101; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.rate = -1; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.rate = std::nan(""); }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.rate = 1e300; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.errors = 1.1; }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.errors = std::nan(""); }));
  EXPECT_TRUE(refused([](TraceSpec& s) { s.swing = -0.1; }));
  for (const char* words : {"", "outage,", "outages", "outage,none"})
    EXPECT_FALSE(parse_incidents(words)) << words;
  for (const char* words : {"", "latency,", "all,latency"}) EXPECT_FALSE(parse_metrics(words)) << words;
  EXPECT_EQ(parse_incidents("night,outage")->size(), 2u);
}

TEST(Generate, ItEndsWhereItCannotBeWritten) {
  TraceSpec spec = small();
  spec.duration = days(3);
  int calls = 0;
  const Result<void> written = write_trace(spec, [&](std::string_view bytes) -> Result<void> {
    EXPECT_LE(bytes.size(), 1u << 20);
    if (++calls == 2) return Error{ErrorCode::io, "full"};
    return {};
  });
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "full");
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace signalbox::generate
