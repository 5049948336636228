#include "tests/sim/shop.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace signalbox::sim {

Shop::Shop(Options options, Instant start, std::uint64_t seed)
    : options_(std::move(options)), start_(start), random_(seed) {
  for (const std::string& name : options_.regions) {
    Region r;
    r.name = name;
    r.next = gap();
    regions_.push_back(std::move(r));
  }
  failures_by_version_[version_] = options_.baseline;
  deployed_.emplace_back(start - days(1), start - days(1));
}

double Shop::gap() {
  return options_.rate > 0 ? -std::log1p(-random_.unit()) / options_.rate : 1e9;
}

void Shop::advance(Instant now) {
  const double until = (now - start_).seconds();
  const double share = failures_by_version_[version_];
  for (Region& r : regions_) {
    const double failures = std::max(share, r.sickness);
    while (r.next <= until) {
      if (random_.unit() < failures) {
        r.failed += 1;
        if (watching_ && !first_failure_since)
          first_failure_since = start_ + milliseconds(static_cast<std::int64_t>(r.next * 1000.0));
      } else {
        r.ok += 1;
      }
      r.next += gap();
    }
  }
}

void Shop::set_rate(Instant now, double rate) {
  advance(now);
  options_.rate = rate;
  for (Region& r : regions_) r.next = (now - start_).seconds() + gap();
}

void Shop::change_version(Instant now, const std::string& version) {
  advance(now);
  version_ = version;
  deployed_.emplace_back(now + options_.metric_late, now);
  if (!options_.counters_restart) return;
  for (Region& r : regions_) r.ok = r.failed = 0;
}

void Shop::deploy(Instant now, const std::string& version, double failures) {
  change_version(now, version);
  failures_by_version_[version] = std::max(failures, options_.baseline);
}

void Shop::sicken(Instant now, const std::string& region, double failures) {
  advance(now);
  for (Region& r : regions_)
    if (r.name == region) r.sickness = failures;
}

void Shop::recover(Instant now, const std::string& region) {
  sicken(now, region, 0);
}

void Shop::restart_counters(Instant now) {
  advance(now);
  for (Region& r : regions_) r.ok = r.failed = 0;
}

void Shop::heal(Instant now) {
  advance(now);
  for (auto& [version, failures] : failures_by_version_) failures = options_.baseline;
  for (Region& r : regions_) r.sickness = 0;
}

std::string Shop::metrics(Instant now) {
  advance(now);
  std::string out = "# TYPE http_requests_total counter\n";
  for (const Region& r : regions_) {
    const auto line = [&](const char* code, double value) {
      out += fmt::format(
          "http_requests_total{{service=\"checkout\",env=\"prod\",region=\"{}\",code=\"{}\"}} {}\n", r.name,
          code, value);
    };
    line("200", r.ok);
    if (r.failed > 0) line("500", r.failed);
  }
  Instant shown = deployed_.front().second;
  for (const auto& [from, value] : deployed_)
    if (from <= now) shown = value;
  for (const char* name : {"deployed_timestamp_seconds", "checkout_deployed_timestamp_seconds"})
    out += fmt::format("# TYPE {0} gauge\n{0} {1:.3f}\n", name, shown.unix_seconds());
  return out;
}

bool Shop::again(const std::string& key) const {
  return options_.delivery == plan::Delivery::idempotent && done_.count(key) != 0;
}

void Shop::count(const std::string& raw) {
  done_.insert(raw);
  const std::string key = raw.substr(0, raw.find('+'));
  ++effects_by_key[key];
  ++effects_by_episode[key.substr(0, key.rfind('-'))];
}

int Shop::rollback(Instant now, const std::string& key, const std::string& to) {
  if (again(key)) return 200;
  if (failures_by_version_.count(to) == 0) return 404;
  count(key);
  change_version(now, to);
  return 200;
}

int Shop::restart(Instant now, const std::string& key) {
  if (again(key)) return 200;
  count(key);
  advance(now);
  for (Region& r : regions_)
    if (random_.unit() < 0.7) r.sickness = 0;
  return 200;
}

void Pager::take(Instant now, const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || json.value("kind", "") == "heartbeat") return;
  Taken& t = taken[json.value("id", "")];
  if (t.times++ == 0) {
    t.content = body;
    t.kind = json.value("kind", "");
    t.declaration = json.value("declaration", "");
    t.episode = json.value("episode", "");
    t.summary = json.value("summary", "");
    t.first = now;
  } else if (t.content != body) {
    faults.push_back(
        fmt::format("message {} came with two contents: {} | {}", json.value("id", ""), t.content, body));
  }
}

bool Pager::told(const std::string& episode) const {
  for (const auto& [id, t] : taken)
    if (t.kind == "page" && t.episode == episode) return true;
  return false;
}

std::size_t Pager::pages() const {
  std::size_t n = 0;
  for (const auto& [id, t] : taken) n += t.kind == "page";
  return n;
}

}  // namespace signalbox::sim
