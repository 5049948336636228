// A variant is the program that one would have written: for each threshold, the plan of an edit against the
// plan of the text edited by hand.
#include <gtest/gtest.h>

#include "compiler/lower/compile.hpp"

namespace signalbox::lower {
namespace {

const std::string program = R"(use std.burn
param env is text default "prod"
param strict is number default 14
tick 15s
source s is scrape { url "http://127.0.0.1:1/metrics" }
receiver oncall is webhook { url "http://pager/hook" }
metric http_requests_total is counter with (region, code)
metric latency_seconds is histogram of seconds
metric depth is gauge
let mild = { page 6 over 6h & 30m }
slo web per (region) max 3 {
  indicator bad http_requests_total{code=~"5.."} of http_requests_total
  objective 99.9% over 30d
  burn { page 14.4 over 1h & 5m  page strict over 6h & 30m  ticket 10% in 1d & 2h }
  floor 10 bad  missing keep for 4m then page  page oncall  ticket oncall
  defer page while back acts at most 9m
}
slo api {
  indicator bad http_requests_total{code=~"5.."} of http_requests_total  objective 99% over 30d
  burn std.burn.google  page oncall  ticket oncall
}
slo other { indicator bad http_requests_total{code=~"5.."} of http_requests_total  objective 99% over 30d  burn mild  page oncall }
slo fast { indicator share of latency_seconds at most 300ms  objective 95% over 28d  burn mild  page oncall }
slo calm { indicator slices of 1m where max(depth) > 400  objective 90% over 6h  burn { page 2 over 1h & 10m }  page oncall }
target shop is http {
  deployed metric shop_deployed_timestamp_seconds
  action rollback is idempotent { POST "http://shop/rollback" body { } }
}
policy back on shop {
  when     any by (region) (web.burn(since shop.deployed for 15m) > 12 and web.burn(30m before shop.deployed) < 2) for 2 ticks unknown at most 4
  events   at least 50 and 5 bad
  do       rollback
  verify   all by (region) (web.burn(since done) < 3) for 2 ticks after 30s events at least 1000 within 4m else page oncall "no help"
  limit    3 per 1d
  cooldown 30m
  missing  page oncall
}
policy shed on shop {
  when     sum(http_requests_total) offset 1m default 0 > 1e9 or max(depth) > 500
  do       rollback
  verify   max(depth) < 100 after 1m within 10m else page oncall "no help"
  limit    3 per 1d
  cooldown 30m
  missing  do nothing
}
)";

Compiled compiled(const std::string& text, const std::vector<std::string>& edits = {}) {
  CompileOptions options;
  for (const std::string& edit : edits) options.edits.push_back({"--what-if", edit});
  return compile({{"p.slo", text}}, options);
}
std::string messages(const Compiled& c) {
  return source::render_text(c.diagnostics, c.sources);
}
std::string replaced(std::string text, const std::vector<std::pair<std::string, std::string>>& by_hand) {
  for (const auto& [from, to] : by_hand) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
  }
  return text;
}
// Whole programs whose guards are off are fine: only what differs from `program` is compared.
const std::string plain = replaced(
    program,
    {{"sum(http_requests_total) offset 1m default 0 > 1e9 or max(depth) > 500", "max(depth) > 500"}});

void same(const std::vector<std::string>& edits,
          const std::vector<std::pair<std::string, std::string>>& by_hand) {
  const Compiled variant = compiled(plain, edits), written = compiled(replaced(plain, by_hand));
  ASSERT_TRUE(written.plan) << messages(written);
  ASSERT_TRUE(variant.plan) << edits[0] << "\n" << messages(variant);
  EXPECT_EQ(plan::to_bytes(*variant.plan, false), plan::to_bytes(*written.plan, false)) << edits[0];
  EXPECT_NE(plan::to_bytes(*variant.plan, false), plan::to_bytes(*compiled(plain).plan, false)) << edits[0];
}

TEST(Edits, AreWhatTheHandWouldHaveWritten) {
  ASSERT_TRUE(compiled(plain).plan) << messages(compiled(plain));
  same({"web.objective=99.95%"}, {{"99.9%", "99.95%"}});
  same({" web.objective = 99.95% "}, {{"99.9%", "99.95%"}});
  same({"web.period=28d"}, {{"99.9% over 30d", "99.9% over 28d"}});
  same({"web.burn.1=10"}, {{"14.4 over", "10 over"}});
  same({"web.burn.fast=10"}, {{"14.4 over", "10 over"}});
  same({"web.burn.page.1h=3%"}, {{"14.4 over", "3% in"}});
  same({"web.burn.6h=7"}, {{"strict over", "7 over"}});
  same({"web.burn.slow=5"}, {{"10% in 1d", "5 over 1d"}});
  same({"web.burn.page=9"}, {{"14.4 over", "9 over"}, {"strict over", "9 over"}});
  same({"web.burn=0.5x"}, {{"14.4 over", "7.2 over"}, {"strict over", "7 over"}, {"10% in", "5% in"}});
  same({"web.floor=20"}, {{"floor 10", "floor 20"}});
  same({"api.floor=20"}, {{"burn std.burn.google", "burn std.burn.google floor 20 bad"}});
  same({"web.missing=5m"}, {{"keep for 4m", "keep for 5m"}});
  same({"web.defer=12m"}, {{"at most 9m", "at most 12m"}});
  same({"fast.at_most=500ms"}, {{"at most 300ms", "at most 500ms"}});
  same({"calm.where=450"}, {{"> 400", "> 450"}});
  same({"where=450"}, {{"> 400", "> 450"}});
  same({"back.for=5 ticks"}, {{"for 2 ticks unknown", "for 5 ticks unknown"}});
  same({"back.for=for 1m"}, {{"for 2 ticks unknown", "for 1m unknown"}});
  same({"back.for=in 3 of 5 ticks"}, {{"for 2 ticks unknown", "in 3 of 5 ticks unknown"}});
  same({"shed.for=2 ticks"}, {{"max(depth) > 500", "max(depth) > 500 for 2 ticks"}});
  same({"back.verify.for=3 ticks"}, {{"for 2 ticks after", "for 3 ticks after"}});
  same({"back.when.1=14"}, {{"> 12", "> 14"}});
  same({"back.when.2=0.5x", "back.when.1=14"}, {{"> 12", "> 14"}, {"< 2", "< 1"}});
  same({"back.when.1=14", "back.for=3 ticks"},
       {{"> 12", "> 14"}, {"for 2 ticks unknown", "for 3 ticks unknown"}});
  same({"back.for=3 ticks", "back.when.1=14"},
       {{"> 12", "> 14"}, {"for 2 ticks unknown", "for 3 ticks unknown"}});
  same({"shed.when=600"}, {{"> 500", "> 600"}});
  same({"shed.for=2 ticks", "shed.when=600"}, {{"> 500", "> 600 for 2 ticks"}});
  same({"back.verify=2"}, {{"(since done) < 3", "(since done) < 2"}});
  same({"back.events=60"}, {{"at least 50", "at least 60"}});
  same({"back.bad=6"}, {{"5 bad", "6 bad"}});
  same({"back.verify.after=45s"}, {{"after 30s", "after 45s"}});
  same({"back.verify.within=5m"}, {{"within 4m", "within 5m"}});
  same({"back.verify.events=1200"}, {{"at least 1000", "at least 1200"}});
  same({"back.limit=4"}, {{"3 per", "4 per"}});
  same({"back.limit.per=2d"}, {{"3 per 1d", "3 per 2d"}});
  same({"back.cooldown=2x"}, {{"30m\n  missing  page", "1h\n  missing  page"}});
}

TEST(Edits, ATableIsChangedForTheSloThatIsNamed) {
  same({"api.burn.fast=4%"},
       {{"burn std.burn.google",
         "burn { page 4% in 1h & 5m  page 5% in 6h & 30m  ticket 10% in 1d & 2h  ticket 10% in 3d & 6h }"}});
  same({"other.burn=5"}, {{"over 30d  burn mild", "over 30d  burn { page 5 over 6h & 30m }"}});
  // Its warnings are the program's own: a table that somebody names is in use.
  const Compiled both = compiled(plain, {"other.burn=5", "fast.burn=4"});
  ASSERT_TRUE(both.plan) << messages(both);
  EXPECT_EQ(both.diagnostics.all().size(), compiled(plain).diagnostics.all().size()) << messages(both);
}

TEST(Edits, WithoutADeclarationTheyAreForAll) {
  same({"objective=99.5%"}, {{"99.9%", "99.5%"},
                             {"objective 99% over 30d\n", "objective 99.5% over 30d\n"},
                             {"objective 99% over 30d  burn mild", "objective 99.5% over 30d  burn mild"},
                             {"95%", "99.5%"},
                             {"90%", "99.5%"}});
}

TEST(Edits, AreRefusedWithTheirPlace) {
  const auto refused = [](const std::vector<std::string>& edits) {
    const Compiled c = compiled(plain, edits);
    EXPECT_FALSE(c.plan) << edits[0];
    return messages(c);
  };
  const std::string unknown = refused({"web.objektive=99%"});
  EXPECT_NE(unknown.find("--what-if:1:1: error: nothing that can be changed is called `web.objektive`"),
            std::string::npos)
      << unknown;
  EXPECT_NE(unknown.find("did you mean `web.objective`?"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("web.burn.1 (page 14.4 over 1h & 5m)"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("back.for (for 2 ticks unknown at most 4)"), std::string::npos) << unknown;
  EXPECT_NE(refused({"nobody.objective=99%"}).find("is called `nobody.objective`"), std::string::npos);
  EXPECT_NE(refused({"objective"}).find("a change is KEY=VALUE"), std::string::npos);
  EXPECT_NE(refused({"=99%"}).find("a change is KEY=VALUE"), std::string::npos);
  EXPECT_NE(refused({""}).find("a change is KEY=VALUE"), std::string::npos);
  EXPECT_NE(refused({"web.objective="}).find("there is no value"), std::string::npos);
  EXPECT_NE(refused({"web.objective=high"}).find("--what-if:1:15: error: `high` is not a number"),
            std::string::npos);
  EXPECT_NE(refused({"web.objective=99.9% )"}).find("closes nothing"), std::string::npos);
  EXPECT_NE(refused({"web.objective=5min"}).find("`5min` is not a number"), std::string::npos);
  EXPECT_NE(refused({"web.objective=120%"}).find("--what-if:1:15: error"), std::string::npos)
      << refused({"web.objective=120%"});
  EXPECT_NE(refused({"web.period=30"}).find("--what-if:1:12: error"), std::string::npos)
      << refused({"web.period=30"});
  EXPECT_NE(refused({"back.cooldown=1m"}).find("cooldown-too-short"), std::string::npos)
      << "what the compiler proves holds for variants: " << refused({"back.cooldown=1m"});
  EXPECT_NE(refused({"web.burn.1=200k"}).find("row-cannot-fire"), std::string::npos);
  EXPECT_NE(refused({"back.for=5"}).find("`5` is no hold"), std::string::npos);
  EXPECT_NE(refused({"back.for=5 minutes"}).find("`5 minutes` is no hold"), std::string::npos);
  EXPECT_NE(refused({"back.for=0 ticks"}).find("error"), std::string::npos);
  EXPECT_NE(refused({"api.floor=2x"}).find("has no `api.floor` that could be multiplied"), std::string::npos);
  EXPECT_NE(refused({"web.cooldown=2x"}).find("is called `web.cooldown`"), std::string::npos);
  EXPECT_NE(refused({"back.cooldown=2mx"}).find("error"), std::string::npos);
  const std::string twice = refused({"web.burn.1=10", "web.burn=9"});
  EXPECT_NE(twice.find("`web.burn.1` is changed twice"), std::string::npos) << twice;
  EXPECT_NE(refused({std::string(100'000, 'a') + "=1"}).find("more than 1000 bytes"), std::string::npos);
  EXPECT_NE(refused({"web.obj\xff=1"}).find("not UTF-8"), std::string::npos);
  EXPECT_NE(refused({std::string("web.objective=9\0009%", 18)}).find("error"), std::string::npos);
}

TEST(Edits, AProgramWithoutThresholdsSaysSo) {
  const Compiled c = compiled("tick 5s\n", {"objective=99%"});
  EXPECT_NE(messages(c).find("the program has no slo and no policy"), std::string::npos) << messages(c);
}

TEST(Edits, ABrokenProgramIsReportedAsSuch) {
  const Compiled c = compiled("slo web { burn nowhere.table }\n", {"web.floor=3"});
  EXPECT_FALSE(c.plan);
  EXPECT_EQ(messages(c).find("--what-if"), std::string::npos) << messages(c);
}

}  // namespace
}  // namespace signalbox::lower
