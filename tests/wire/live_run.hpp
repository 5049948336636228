// `signalbox run` with a world around it: a shop that it watches and restarts, and a pager.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/wire/http_peer.hpp"
#include "tests/wire/process.hpp"

namespace signalbox::wire {

inline const std::string pager_key = "the pager's secret", shop_key = "the shop's secret";

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// A shop whose counters move with every scrape, a pager, and a target, at one address.
class LiveShop {
 public:
  LiveShop() : peer_([this](const PeerRequest& request) { return answer(request); }) {}

  std::atomic<bool> failing = false;
  // What /metrics (after some good pages), /restart and /hook answer instead; set before the program starts.
  std::function<PeerAnswer()> page;
  int good_pages = 0;
  std::function<PeerAnswer(int attempt)> restart, hook;

  // With each first text replaced by its second, everywhere.
  std::string program(const std::vector<std::pair<std::string, std::string>>& changes = {}) const {
    std::string text = R"(tick 500ms
source pages is scrape { url "BASE/metrics"  every 500ms  settle 0s }
metric http_requests_total is counter with (code)
receiver oncall is webhook { url "BASE/hook"  secret pager_key  heartbeat every 1s }
slo availability {
  indicator bad http_requests_total{code=~"5.."} of http_requests_total
  objective 90% over 1h
  burn      { page 2 over 4s & 2s }
  missing   keep for 2s then ticket
  page      oncall
}
target shop is http {
  secret  shop_key
  timeout 500ms
  action  restart is idempotent { POST "BASE/restart" body { reason "errors" } }
}
policy restart_shop on shop {
  when     availability.burn(2s) > 2 for 2 ticks
  do       restart
  verify   availability.burn(since done) < 1 for 2 ticks after 2s events at least 10 within 5s
           else page oncall "it did not help"
  limit    3 per 1h
  cooldown 30s
  missing  do nothing
  mode     act
}
)";
    for (const auto& [from, to] : changes) text = replaced(text, from, to);
    return replaced(text, "BASE", peer_.url(""));
  }
  std::vector<PeerRequest> requests(const std::string& path) const { return peer_.requests(path); }

 private:
  PeerAnswer answer(const PeerRequest& request) {
    PeerAnswer out;
    if (request.path == "/metrics") {
      if (page && ++pages_ > good_pages) return page();
      good_ += failing ? 50 : 100;
      bad_ += failing ? 50 : 0;
      out.body = fmt::format(
          "# TYPE http_requests_total counter\nhttp_requests_total{{code=\"200\"}} {}\n"
          "http_requests_total{{code=\"500\"}} {}\n",
          good_, bad_);
    } else if (request.path == "/hang") {
      out.hang = true;
    } else if (request.path == "/restart" && restart) {
      return restart(++restarts_);
    } else if (request.path == "/hook" && hook) {
      return hook(++hooks_);
    }
    return out;
  }

  int good_ = 0, bad_ = 0, pages_ = 0, restarts_ = 0, hooks_ = 0;
  HttpPeer peer_;  // last: it calls the rest
};

// The program, running.
class LiveRun {
 public:
  LiveRun(const LiveShop& world, const std::vector<std::string>& options = {},
          const std::string& program = "")
      : file_(folder_.write("program.slo", program.empty() ? world.program() : program)) {
    start(options);
  }

  void start(const std::vector<std::string>& options = {}) {
    process_.reset();
    process_ = std::make_unique<Process>(words(options), environment());
  }
  std::vector<std::string> words(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> out = {SIGNALBOX, "run", file_, "--state", state(), "--listen", "127.0.0.1:0"};
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }
  void start_into(const std::string& output) {
    ProcessOptions options = environment();
    options.output = output;
    process_.reset();
    process_ = std::make_unique<Process>(words(), options);
  }
  static ProcessOptions environment() {
    ProcessOptions options;
    options.environment = {{"SIGNALBOX_SECRET_PAGER_KEY", pager_key},
                           {"SIGNALBOX_SECRET_SHOP_KEY", shop_key}};
    return options;
  }

  std::string state() const { return folder_.path("state"); }
  void rewrite(const std::string& program) const { folder_.write("program.slo", program); }
  Process& process() { return *process_; }

  std::vector<nlohmann::json> events(const std::string& kind) const {
    std::vector<nlohmann::json> out;
    for (nlohmann::json& event : process_->events())
      if (event.value("kind", "") == kind) out.push_back(std::move(event));
    return out;
  }
  std::string why(const std::string& kind) const {
    const auto all = events(kind);
    return all.empty() ? "" : all.back().value("why", "");
  }
  bool says(const std::string& kind, const std::string& part = "", std::size_t times = 1) {
    return eventually([&] {
             const auto all = events(kind);
             const auto hits = std::count_if(all.begin(), all.end(), [&](const nlohmann::json& event) {
               return event.value("why", "").find(part) != std::string::npos;
             });
             return static_cast<std::size_t>(hits) >= times || !process_->running();
           }) &&
           process_->running();
  }
  int port() const {
    const std::string err = process_->err();
    const std::size_t at = err.find("on 127.0.0.1:");
    return at == std::string::npos || err.find('\n', at) == std::string::npos
               ? 0
               : std::atoi(err.c_str() + at + 13);
  }
  double metric(const std::string& name) const {
    const std::string text = "\n" + http_get(port(), "/metrics").body;
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::atof(text.c_str() + at + name.size() + 2);
  }
  bool ticks(double count) {
    return eventually([&] { return port() > 0 && metric("signalbox_ticks_total") >= count; });
  }
  std::string story() const { return process_->out() + process_->err(); }

 private:
  Folder folder_;
  std::string file_;
  std::unique_ptr<Process> process_;
};

}  // namespace signalbox::wire
