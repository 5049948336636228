#include "runtime/loop/live_world.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/backends/http_target.hpp"
#include "runtime/receivers/webhook.hpp"
#include "runtime/sources/passed_over.hpp"

namespace signalbox::loop {

using plan::Index;

LiveWorld::LiveWorld(const plan::Plan& plan, Host& host, LiveData& data, const Limits& limits,
                     Secrets secrets, std::function<void(const Error&)> notice)
    : plan_(plan),
      host_(host),
      data_(data),
      limits_(limits),
      secrets_(std::move(secrets)),
      notice_(std::move(notice)) {
  for (Index s = 0; s < plan.sources.size(); ++s) {
    for (const std::string& url : plan.sources[s].urls) {
      Feed feed;
      feed.source = s;
      feed.url = url;
      if (plan.sources[s].type == plan::SourceType::prometheus) {
        feed.history = std::make_unique<sources::PrometheusHistory>(host.http, url, limits);
        feeds_.push_back(std::move(feed));
        continue;
      }
      auto& scraper = data.scrapers[{plan.sources[s].name, url}];
      if (!scraper)
        scraper = std::make_unique<sources::Scraper>(host.http, data.store, url, plan.sources[s].name,
                                                     plan.sources[s].timeout, limits);
      feed.scraper = scraper.get();
      feeds_.push_back(std::move(feed));
    }
  }
}

LiveWorld::~LiveWorld() {
  *alive_ = false;
}

std::string LiveWorld::secret(const std::string& name) const {
  return name.empty() ? std::string() : secrets_(name).value_or("");
}

void LiveWorld::start() {
  for (std::size_t f = 0; f < feeds_.size(); ++f) schedule(f);
}

void LiveWorld::schedule(std::size_t f) {
  const Instant now = host_.clock.now();
  const Duration every = plan_.sources[feeds_[f].source].every;
  host_.timer.at(grid_floor(now, every, {}) + every, [this, alive = alive_, f] {
    if (!*alive) return;
    scrape_due(feeds_[f], host_.clock.now());
    schedule(f);
  });
}

void LiveWorld::scrape_due(Feed& feed, Instant at) {
  const Instant due = grid_floor(at, plan_.sources[feed.source].every, {});
  if (feed.in_flight || (feed.last && *feed.last >= due)) return;
  feed.last = due;
  feed.in_flight = true;
  ++scrapes;
  if (feed.history) {
    // What a Prometheus stores late is read again: five minutes, which is as long as it accepts a sample late
    // by default.
    const Instant begin =
        feed.read_to ? *feed.read_to - minutes(5) : due - plan::longest_window(plan_) - plan_.lookback;
    feed.history->read(plan_, begin, due, data_.store, {},
                       [this, alive = alive_, &feed, due](Result<sources::PrometheusReport> report) {
                         if (!*alive) return;
                         if (report) feed.read_to = due;
                         if (report) say_left_out(feed, sources::told_passed_over(report->passed_over));
                         feed_done(feed, report ? Result<void>() : Result<void>(report.error()));
                       });
    return;
  }
  feed.scraper->scrape(due, [this, alive = alive_, &feed](const sources::Scraper::Scraped& scraped) {
    if (!*alive) return;
    if (scraped) say_left_out(feed, *scraped);
    feed_done(feed, scraped ? Result<void>() : Result<void>(scraped.error()));
  });
}

void LiveWorld::say_of(const Feed& feed, const Error& what) {
  notice_({what.code, fmt::format("{}: {}", feed.url, what.message), what.hint});
}

// Once, until all of it is taken again.
void LiveWorld::say_left_out(Feed& feed, const std::optional<Error>& what) {
  if (what && !feed.incomplete) say_of(feed, *what);
  feed.incomplete = what.has_value();
}

void LiveWorld::feed_done(Feed& feed, const Result<void>& result) {
  feed.in_flight = false;
  if (!result) ++failed_scrapes;
  if (!result && !feed.failing) say_of(feed, result.error());
  feed.failing = !result;
  release_waiting();
}

void LiveWorld::release_waiting() {
  for (const Feed& feed : feeds_)
    if (feed.in_flight) return;
  std::vector<std::function<void()>> waiting;
  waiting.swap(waiting_);
  for (const auto& f : waiting) f();
}

void LiveWorld::gather(Instant at, std::function<void()> done) {
  if (at - last_retention_ > minutes(10)) {
    last_retention_ = at;
    data_.store.retain_from(at - plan::longest_window(plan_) - minutes(10));
    data_.leaves.refresh();
  }
  waiting_.push_back(std::move(done));
  for (Feed& feed : feeds_) scrape_due(feed, at);
  release_waiting();
}

void LiveWorld::read_version(Index target, std::function<void(Result<std::string>)> done) {
  // A tick waits for it, and who is ill often does not say its version: no decision is late for that.
  plan::Target asked = plan_.targets[target];
  asked.timeout = std::min(asked.timeout, Duration{plan_.tick.ms / 2});
  backends::read_version(host_.http, asked, limits_, std::move(done));
}

void LiveWorld::perform(const decide::Effect& effect, std::function<void(decide::Answer)> done) {
  const plan::Target& target = plan_.targets[effect.target];
  backends::perform(host_.http, target, target.actions[effect.action], effect, secret(target.secret), limits_,
                    std::move(done));
}

void LiveWorld::notify(Index receiver, const decide::Message& message,
                       std::function<void(std::optional<std::string>)> done) {
  const plan::Receiver& r = plan_.receivers[receiver];
  // The log has every message as an event already.
  if (r.type == plan::ReceiverType::log) return done(std::nullopt);
  receivers::notify(host_.http, r, message, secret(r.secret), limits_, std::move(done));
}

void LiveWorld::heartbeat(Index receiver, Instant at) {
  const plan::Receiver& r = plan_.receivers[receiver];
  if (r.type == plan::ReceiverType::log) return;
  receivers::heartbeat(
      host_.http, r, at, secret(r.secret), limits_,
      [this, alive = alive_, receiver](std::optional<std::string> refusal) {
        if (!*alive) return;
        bool& failing = heartbeat_failing_[receiver];
        if (refusal && !failing)
          notice_({ErrorCode::unreachable,
                   fmt::format("{} does not take heartbeats: {}", plan_.receivers[receiver].name, *refusal),
                   ""});
        failing = refusal.has_value();
      });
}

}  // namespace signalbox::loop
