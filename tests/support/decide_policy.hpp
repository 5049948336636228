// One policy on one target, moved by a gauge: the program and the states that tests of decisions start from.
#pragma once

#include <string>

#include "tests/support/decide_bench.hpp"

namespace signalbox::test {

struct PolicyProgram {
  std::string delivery = "idempotent", action = "rollback", more = "", policy_more = "", per = "",
              mode = "act";
  std::string when = "max(trigger) > 0.5 for 2 ticks", limit = "2 per 1h", missing = "page oncall";
  bool previous = true;  // rollback goes to the previous version
  std::string version = R"(version GET "http://shop/version")";
  operator std::string() const {
    return R"(
tick 10s
metric trigger is gauge with (region)
metric ok is gauge
receiver oncall is webhook { url "http://pager/hook" }
target shop is http {
  )" + version +
           R"(
  deployed metric shop_deployed_timestamp_seconds
  action rollback is )" +
           delivery + R"( { POST "http://shop/rollback" body { )" + (previous ? "to previous_version" : "") +
           R"( } }
  action restart is )" +
           delivery + R"( { POST "http://shop/restart" body { } }
}
)" + more + R"(
policy fix on shop )" +
           per + R"( {
  when     )" +
           when + R"(
  do       )" +
           action + R"(
  verify   max(ok) > 0.5 after 20s within 1m else page oncall "no help"
  limit    )" +
           limit + R"(
  cooldown 5m
  missing  )" +
           missing + R"(
  mode     )" +
           mode + R"(
  )" + policy_more +
           R"(
})";
  }
};

// Standing, healthy and ready to act.
inline DecideBench bench(const PolicyProgram& program) {
  DecideBench b{std::string(program)};
  b.set("trigger", 0);
  b.set("ok", 0);
  b.set("shop_deployed_timestamp_seconds", DecideBench::start.unix_seconds() - 3600);
  b.ticks(2);
  return b;
}
inline DecideBench acting(const PolicyProgram& program) {
  DecideBench b = bench(program);
  b.set("trigger", 1);
  b.ticks(2);
  EXPECT_EQ(b.last.effects.size(), 1u);
  return b;
}
inline DecideBench done(const PolicyProgram& program) {
  DecideBench b = acting(program);
  b.versions = {"v1"};
  b.answer(decide::Answer::Kind::succeeded, "v1");
  EXPECT_EQ(b.episode().state, decide::EpisodeState::verifying);
  return b;
}

}  // namespace signalbox::test
