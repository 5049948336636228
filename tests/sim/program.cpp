#include "tests/sim/program.hpp"

#include <cstdio>
#include <cstdlib>

#include "compiler/lower/compile.hpp"

namespace signalbox::sim {
namespace {

const std::string head = R"(
tick 5s
source shop is scrape { url "http://shop/metrics"  every 5s  settle 0s  timeout 2s }
receiver oncall is webhook { url "http://pager/hook"  secret pager_key }
slo availability per (region) max 4 {
  indicator  bad http_requests_total{code=~"5.."} of http_requests_total
  objective  99.9% over 30d
  burn       { page 14.4 over 5m & 1m }
  floor      10 bad
  missing    keep for 30s then page
  page       oncall
  DEFER
}
target checkout is http {
  version  GET "http://shop/version"
  deployed metric deployed_timestamp_seconds
  action   rollback is DELIVERY { POST "http://shop/rollback" body { to previous_version } }
  action   restart is DELIVERY { POST "http://shop/restart" body { reason "errors"  episode episode } }
}
)";

const std::string rollback = R"(
policy roll_back on checkout {
  when     any by (region) (
             availability.burn(since checkout.deployed for 5m) > 14.4
             and availability.burn(5m before checkout.deployed) < 4
           ) for 3 ticks
  events   at least 50 and 5 bad
  do       rollback
  verify   all by (region) (availability.burn(since done) < 5) for 3 ticks
           after 10s events at least 300 within 75s
           else page oncall "the rollback did not help"
  limit    2 per 10m
  cooldown 2m
  missing  page oncall
  mode     MODE
}
)";

const std::string restart = R"(
policy restart_region on checkout per (region) max 4 {
  when     availability.burn(1m) > 14.4 for 3 ticks
  do       restart
  verify   availability.burn(since done) < 5 for 2 ticks
           after 10s events at least 300 within 60s
           else page oncall "the restart did not help"
  limit    3 per 10m
  cooldown 2m
  repeat   at most 2
  missing  do nothing
  mode     MODE
}
)";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

Program make(const std::string& delivery, const std::string& mode, bool rolls_back, bool restarts) {
  std::string text = head;
  if (rolls_back) text += rollback;
  if (restarts) text += restart;
  std::string defer;
  if (rolls_back) defer += "defer page while roll_back acts at most 3m ";
  if (restarts) defer += "defer page while restart_region acts at most 2m ";
  text = replaced(replaced(replaced(text, "DELIVERY", delivery), "MODE", mode), "DEFER", defer);
  Program p;
  p.name = delivery + (rolls_back ? " rollback" : "") + (restarts ? " restart" : "") + ", mode " + mode;
  p.plan = compile_or_die(p.name, text);
  p.rolls_back = rolls_back;
  p.restarts = restarts;
  return p;
}

}  // namespace

plan::Plan compile_or_die(const std::string& name, const std::string& text) {
  lower::Compiled compiled = lower::compile({{name, text}}, {});
  if (!compiled.plan) {
    std::fputs(source::render_text(compiled.diagnostics, compiled.sources).c_str(), stderr);
    std::exit(2);
  }
  return std::move(*compiled.plan);
}

const std::vector<Program>& programs() {
  static const std::vector<Program> all = [] {
    std::vector<Program> out;
    for (const char* delivery : {"idempotent", "once", "unsafe"})
      out.push_back(make(delivery, "act", true, false));
    for (const char* delivery : {"idempotent", "once", "unsafe"})
      out.push_back(make(delivery, "act", true, true));
    out.push_back(make("idempotent", "act", false, true));
    out.push_back(make("idempotent", "observe", true, true));
    out.push_back(make("idempotent", "dry_run", true, true));
    return out;
  }();
  return all;
}

}  // namespace signalbox::sim
