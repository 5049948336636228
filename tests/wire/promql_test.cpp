// PromQL against a real Prometheus 2.42 over the same samples: every form of the language, every function,
// what is refused, and the order of what has one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "compiler/lower/compile.hpp"
#include "runtime/eval/range_query.hpp"
#include "runtime/eval/store_provider.hpp"
#include "runtime/sources/file.hpp"
#include "tests/support/api_values.hpp"
#include "tests/wire/prometheus_server.hpp"

namespace signalbox::wire {
namespace {

constexpr std::int64_t begin = 1'700'006'400;  // seconds
constexpr int spacing = 15, count = 240;       // an hour

std::string recording() {
  std::string out;
  const auto series = [&](const std::string& labels, auto value) {
    for (int i = 0; i < count; ++i) {
      const std::string text = value(i);
      if (!text.empty()) out += fmt::format("{} {} {}\n", labels, text, begin + i * spacing);
    }
  };
  const auto number = [](double v) { return fmt::format("{:.17g}", v); };
  out += "# TYPE bucket unknown\n";
  const double bounds[] = {0.1, 0.5, 1, 2.5};
  for (int b = 0; b < 5; ++b)
    for (const char* job : {"api", "web"})
      series(
          fmt::format("bucket{{job=\"{}\",le=\"{}\"}}", job, b == 4 ? "+Inf" : fmt::format("{}", bounds[b])),
          [&](int i) { return number((i + 1) * (b + 1) * (job[0] == 'a' ? 3 : 5)); });
  // As Go reads numbers, and as it does not.
  for (const char* le :
       {"1", "1_0", "0x_1p1", "1__5", "_20", "1e-400", "+nan", "nan(0)", "1e400", "many", "+Inf"})
    series(fmt::format("bounds{{le=\"{}\"}}", le),
           [&](int i) { return number(i + 10 * std::string(le).size()); });
  for (const char* le : {"+Inf", "2", "NaN"})
    series(fmt::format("unordered{{le=\"{}\"}}", le), [&](int i) { return number(i * le[0]); });
  out += "# TYPE gone gauge\n";
  series("gone{job=\"api\"}", [&](int i) { return i < 60 ? number(i) : ""; });
  out += "# TYPE info gauge\n";
  series("info{instance=\"a\",version=\"1\"}", [&](int i) { return i < 120 ? "1" : ""; });
  series("info{instance=\"a\",version=\"2\"}", [&](int i) { return i >= 150 ? "1" : ""; });
  series("info{instance=\"b\",version=\"1\"}", [&](int) { return "1"; });
  out += "# TYPE odd gauge\n";
  series("odd{k=\"inf\"}", [&](int i) { return i % 5 == 0 ? "+Inf" : number(i); });
  series("odd{k=\"nan\"}", [&](int i) { return i % 7 == 0 ? "NaN" : number(-i); });
  series("odd{k=\"zero\"}", [&](int) { return "0"; });
  out += "# TYPE req unknown\n";
  for (const char* job : {"api", "web"})
    for (const char* instance : {"a", "b", "c"})
      for (const char* code : {"200", "500"})
        series(fmt::format("req{{code=\"{}\",instance=\"{}\",job=\"{}\"}}", code, instance, job), [&](int i) {
          const int reset = instance[0] == 'b' ? i % 97 : i;
          return number(reset * (code[0] == '2' ? 7.25 : 0.5) * (job[0] == 'a' ? 1 : 3));
        });
  out += "# TYPE temp gauge\n";
  for (const char* room : {"hall", "lab", "loft"})
    series(fmt::format("temp{{room=\"{}\"}}", room),
           [&](int i) { return number(20 + room[1] % 3 + std::sin(i / 9.0) * 3); });
  out += "# TYPE tie gauge\n";
  for (const char* n : {"1", "2", "3", "4", "5"})
    series(fmt::format("tie{{n=\"{}\"}}", n), [&](int) { return n[0] < '3' ? "1" : "2"; });
  return out + "# EOF\n";
}

const std::vector<std::string> expressions = {
    // Selectors and modifiers.
    "req",
    "req{code=\"500\"}",
    "req{code!=\"500\",job=~\"a.*\"}",
    "req{code!~\"5..\"}",
    "{__name__=~\"te.*\"}",
    "{__name__=\"temp\",room!=\"\"}",
    "temp offset 5m",
    "temp offset -5m",
    "temp @ 1700007000",
    "temp @ start()",
    "temp @ end() offset 1m",
    "temp offset 1m @ 1700007000",
    "gone",
    "info",
    "temp{room=''}",
    "nothing_at_all",
    "sum",
    "temp{}",
    "temp{room=\"\\x6c\\u0061b\"}",
    "temp{room=`lab`,}",
    "TEMP",
    "temp # what it is\n",
    // Numbers and texts.
    "1",
    "-1",
    "0x1F",
    "1e3",
    ".5",
    "Inf",
    "-Inf",
    "NaN",
    "1 + 2 * 3 ^ 2 ^ 0.5",
    "-2 ^ 2",
    "2 ^ -1",
    "7 % -3",
    "1 / 0",
    "0 / 0",
    "1 == bool 1",
    "1 != bool 1",
    "(1)",
    "\"a text\"",
    "'it''s'",
    "+5",
    "010",
    "1 atan2 2",
    "- - 1",
    "1 > bool 2 == bool 0",
    // Arithmetic.
    "temp + 1",
    "1 - temp",
    "temp * temp",
    "temp % 7",
    "temp ^ 2",
    "2 ^ temp",
    "temp atan2 3",
    "-temp",
    "+temp",
    "temp / 0",
    "req - req offset 1m",
    "temp + on(room) temp",
    "req{code=\"500\"} / ignoring(code) req{code=\"200\"}",
    "req / ignoring(code) group_left sum without(code)(req)",
    "sum by (job)(req) * on(job) group_right req",
    "req * on(instance) group_left(version) info",
    "info * on(instance) group_right(version) req",
    "req + on(instance) req",
    "req + on(instance) group_left req",
    "temp + req",
    "odd + odd",
    "odd * 2",
    "sum(req) + 1",
    "sum(req) / count(req)",
    "req * on(instance, job) group_left(room) sum by (instance, job)(req)",
    // Comparisons.
    "temp > 22",
    "22 < temp",
    "temp > bool 22",
    "temp == temp",
    "temp != bool temp",
    "temp >= on(room) temp",
    "req > on(instance,job,code) req offset 10m",
    "req > bool ignoring(code) req",
    "odd > 10",
    "odd != odd",
    "odd == bool odd",
    "10 >= bool odd",
    "req{code=\"200\"} > ignoring(code) req{code=\"500\"}",
    "req > ignoring(code) group_left sum without(code)(req)",
    "req <= bool on(job) group_left sum by (job)(req)",
    "temp > scalar(temp{room=\"lab\"})",
    "(temp > 20) + 1",
    "req == on(job) group_left(x) max by (job)(req)",
    // A filter looks for a second match among what it leaves.
    "req > on(job) max by (job)(req)",
    "req >= on(job) max by (job)(req)",
    "req{code=\"200\"} == ignoring(code, instance) max by (job)(req)",
    "temp > on() max(temp)",
    "temp == on() max(temp)",
    "temp <= on() temp{room=\"lab\"}",
    "tie == on() vector(2)",
    "tie > ignoring(n) tie{n=\"1\"}",
    "tie == ignoring(n) group_left(n) tie{n=\"1\"}",
    "sum by (job)(req) == on() group_right(job) req",
    "{__name__=~\"temp|tie\"} > on() max(temp)",
    "{__name__=~\"temp|tie\"} >= ignoring(room, n) max(temp)",
    "{__name__=~\"temp|tie\"} < ignoring(room, n) max(temp)",
    "temp == ignoring(__name__) temp",
    "nothing * on(job) req",
    "nothing == bool on(job) req",
    "nothing * on(job) group_left req",
    "req * on(job) group_right(code) nothing",
    "(temp > 100) + on() group_left() temp",
    "temp{room=\"lab\"} * on(job) group_left req",
    "temp > ignoring(__name__, room) vector(21)",
    "temp > bool on(room) group_left(__name__) temp",
    "temp + on(room) group_left(__name__) temp",
    "temp > on() 21",
    "1 + on() 1",
    "1 == bool on() 1",
    "temp + on() group_left 1",
    "temp * ignoring() group_right(room) 2",
    "0x7fffffffffffffff",
    // Sets.
    "temp and temp{room=\"lab\"}",
    "temp or req",
    "temp unless temp{room=\"lab\"}",
    "req and on(job) req{job=\"api\"}",
    "req unless ignoring(code) req{code=\"200\",instance=\"a\"}",
    "req{job=\"api\"} or on(job) req",
    "temp > 22 or temp < 20",
    "gone or vector(7)",
    "vector(7) or gone",
    "(odd > 5) or (odd < 3)",
    "req{job=\"web\"} and on() (temp > 100)",
    "req and on() vector(1)",
    "a or b or c or temp and temp unless nothing",
    "gone or on() vector(0)",
    "sum(gone) or vector(0)",
    // Aggregations.
    "sum(temp)",
    "avg(odd)",
    "min(odd)",
    "max(odd)",
    "count(req)",
    "group(req)",
    "stddev(temp)",
    "stdvar(temp)",
    "sum by (job)(req)",
    "sum without (instance)(req)",
    "sum(req) by (job, code)",
    "sum by ()(req)",
    "avg by (nope)(req)",
    "sum by (__name__)({__name__=~\"req|temp\"})",
    "sum without ()(req)",
    "quantile(0.9, temp)",
    "quantile by (job)(0.25, req)",
    "quantile(2, temp)",
    "quantile(-1, temp)",
    "quantile(NaN, temp)",
    "topk(2, temp)",
    "bottomk(2, temp)",
    "topk by (job)(1, req)",
    "topk(1, tie)",
    "topk(2, tie)",
    "topk(3, tie)",
    "bottomk(1, tie)",
    "bottomk(3, tie)",
    "topk(0, temp)",
    "topk(-1, temp)",
    "topk(100, temp)",
    "topk(2, odd)",
    "bottomk(2, odd)",
    "topk(scalar(vector(2)), tie)",
    // One NaN takes another's place.
    "topk(1, tie * NaN)",
    "bottomk(2, tie * NaN)",
    "topk(3, tie * NaN)",
    "topk(4, tie / (tie != bool 2) - tie / (tie != bool 2))",
    "count_values(\"v\", tie)",
    "count_values by (n)(\"v\", tie)",
    "count_values without (n)(\"v\", odd)",
    "count_values(\"n\", tie)",
    "count by (version)(info)",
    "max by (job)(rate(req[5m]))",
    "stddev(odd)",
    "stdvar by (k)(odd)",
    "sum(nothing)",
    "count(nothing)",
    "group by (instance)(info)",
    "SUM(temp)",
    "sum BY (room) (temp)",
    // Functions of one value.
    "abs(-temp)",
    "ceil(temp)",
    "floor(temp)",
    "exp(temp)",
    "ln(temp)",
    "log2(temp)",
    "log10(temp)",
    "sqrt(temp)",
    "sgn(odd)",
    "sin(temp)",
    "cos(temp)",
    "tan(temp)",
    "asin(temp / 30)",
    "acos(temp / 30)",
    "atan(temp)",
    "sinh(temp)",
    "cosh(temp)",
    "tanh(temp)",
    "asinh(temp)",
    "acosh(temp)",
    "atanh(temp / 30)",
    "deg(temp)",
    "rad(temp)",
    "round(temp)",
    "round(temp, 0.25)",
    "round(-temp, 10)",
    "clamp(temp, 20, 22)",
    "clamp(temp, 22, 20)",
    "clamp(temp, NaN, 20)",
    "clamp_min(temp, 21)",
    "clamp_max(temp, 21)",
    "clamp_min(odd, NaN)",
    "clamp_max(odd, NaN)",
    "clamp_min(odd, Inf)",
    "clamp_max(odd, -Inf)",
    "clamp_max(-odd, NaN)",
    "temp atan2 on(room) temp",
    "req atan2 ignoring(code) group_left sum without(code)(req)",
    "1 atan2 temp",
    "ln(odd)",
    "sqrt(odd)",
    "timestamp(temp)",
    "timestamp(temp offset 1m)",
    "timestamp(temp + 1)",
    "timestamp((temp))",
    "timestamp(+temp)",
    "timestamp((+temp @ 1700007000))",
    "absent(+nothing{a=\"b\"})",
    "+(temp > 21)",
    "rate((+req)[5m:1m])",
    "timestamp(temp @ 1700007000)",
    // The calendar.
    "minute()",
    "hour()",
    "day_of_week()",
    "day_of_month()",
    "day_of_year()",
    "days_in_month()",
    "month()",
    "year()",
    "hour(vector(1500000000))",
    "day_of_week(vector(-1))",
    "day_of_year(vector(1709164800))",
    "days_in_month(vector(1709164800))",
    "year(temp * 1e8)",
    "year(vector(1e11))",
    "year(vector(253402300799))",
    "year(vector(-1e11))",
    "year(vector(-62135596801))",
    "year(vector(123456789012345))",
    "year(vector(-9.2e15))",
    "month(vector(1e11))",
    "month(vector(253402300799))",
    "month(vector(-1e11))",
    "month(vector(-62135596801))",
    "month(vector(123456789012345))",
    "month(vector(-9.2e15))",
    "day_of_month(vector(1e11))",
    "day_of_month(vector(253402300799))",
    "day_of_month(vector(-1e11))",
    "day_of_month(vector(-62135596801))",
    "day_of_month(vector(123456789012345))",
    "day_of_month(vector(-9.2e15))",
    "day_of_week(vector(1e11))",
    "day_of_week(vector(253402300799))",
    "day_of_week(vector(-1e11))",
    "day_of_week(vector(-62135596801))",
    "day_of_week(vector(123456789012345))",
    "day_of_week(vector(-9.2e15))",
    "day_of_year(vector(1e11))",
    "day_of_year(vector(253402300799))",
    "day_of_year(vector(-1e11))",
    "day_of_year(vector(-62135596801))",
    "day_of_year(vector(123456789012345))",
    "day_of_year(vector(-9.2e15))",
    "days_in_month(vector(1e11))",
    "days_in_month(vector(253402300799))",
    "days_in_month(vector(-1e11))",
    "days_in_month(vector(-62135596801))",
    "days_in_month(vector(123456789012345))",
    "days_in_month(vector(-9.2e15))",
    "hour(vector(1e11))",
    "hour(vector(253402300799))",
    "hour(vector(-1e11))",
    "hour(vector(-62135596801))",
    "hour(vector(123456789012345))",
    "hour(vector(-9.2e15))",
    "minute(vector(1e11))",
    "minute(vector(253402300799))",
    "minute(vector(-1e11))",
    "minute(vector(-62135596801))",
    "minute(vector(123456789012345))",
    "minute(vector(-9.2e15))",
    "minute(vector(1136239445))",
    "month(vector(-62135596800))",
    // Others.
    "time()",
    "pi()",
    "vector(1)",
    "vector(time())",
    "scalar(temp)",
    "scalar(temp{room=\"lab\"})",
    "scalar(nothing)",
    "absent(temp)",
    "absent(nothing)",
    "absent(nothing{a=\"b\",c!=\"d\",e=~\"f\"})",
    "absent(nothing{a=\"b\",a=\"c\"})",
    "absent(sum(nothing))",
    "absent((nothing{a=\"b\"}))",
    "0777777777777777777777777777777",
    "00",
    "0xffffffffffffffffffffff",
    "017",
    "08",
    "0b11",
    "0o17",
    "0xZ",
    "1e",
    "1e+",
    "2.e5",
    ".5e2",
    "1.2.3",
    "2 ^ 3 ^ 2",
    "-1 ^ 2",
    "-2 ^ 2 * 3",
    "- - 1",
    "+-+1",
    "1 + 2 * 3 % 2",
    "7 % -3",
    "-7 % 3",
    "temp{room='lab'} # a comment",
    "temp{room=`lab`}",
    "temp{room=\"l\\x61b\"}",
    "temp{room=\"l\\u0061b\"}",
    "temp{room=\"\\q\"}",
    "Inf",
    "inf > bool -INF",
    "NAN",
    "nan",
    "infinity",
    "sum without () (temp)",
    "SUM(temp)",
    "sum(temp) BY (room)",
    "temp AND temp",
    "rate(req[5M])",
    "rate(req[5m30s])",
    "rate(req[1.5m])",
    "rate(req[30s5m])",
    "rate(req[1y1w1d1h1m1s1ms])",
    "temp offset 1m30s",
    "count_values(\"\", temp)",
    "label_join(temp, \"room\", \"-\")",
    "vector(time()) % 60",
    "temp[5m]",
    "req[90s] offset 10s",
    "(gone[10m])",
    "nothing[5m]",
    "sum(temp)[5m:1m]",
    "temp[3m:] offset 30s",
    "rate(req[5m])[10m:7s] @ end()",
    "(temp + on () group_left () temp)[5m:1m]",
    "absent_over_time((nothing{a=\"b\"}[5m]))",
    "timestamp((temp))",
    "absent(-nothing{a=\"b\"})",
    "absent(sum(temp))",
    "absent_over_time(nothing{a=\"b\"}[5m])",
    "absent_over_time(temp[5m])",
    "absent_over_time({__name__=~\"temp|tie\"}[5m])",
    "absent_over_time({__name__=~\"bucket|req\",job=\"api\"}[5m:1m])",
    "absent_over_time(nothing[5m:1m])",
    "absent(gone{job=\"api\"})",
    "sort(temp)",
    "sort_desc(temp)",
    "sort(odd)",
    "sort_desc(odd)",
    "sort(tie)",
    "histogram_quantile(0.9, bounds)",
    "histogram_quantile(0.4, bounds)",
    "histogram_quantile(0.01, bounds)",
    "histogram_quantile(0.9, unordered)",
    "histogram_quantile(0.5, unordered{le!=\"+Inf\"})",
    "histogram_quantile(0.5, bucket or label_replace(bucket, \"__name__\", \"other\", \"job\", \".*\"))",
    "histogram_quantile(0.5, {__name__=~\"bucket|req\"})",
    "histogram_quantile(0.3, label_replace(bucket, \"le\", \"0x1p-1\", \"le\", \"0.5\"))",
    "histogram_quantile(0.3, label_replace(bucket, \"le\", \"-0X1.8P+1\", \"le\", \"0.5\"))",
    "histogram_quantile(0.3, label_replace(bucket, \"le\", \"0x1\", \"le\", \"0.5\"))",
    "histogram_quantile(0.3, label_replace(bucket, \"le\", \"0x-1p0\", \"le\", \"0.5\"))",
    "req + on (job, instance, code, __name__) req",
    "req > bool on (job, instance, code, __name__) req",
    "req > on (job, instance, code, __name__) req",
    "sum by (__name__) (req * on (__name__, job, instance, code) req)",
    "req atan2 on (__name__, job, instance, code) req",
    "temp * on (room, __name__) temp",
    "temp == bool ignoring (nothing) temp",
    "(temp or label_replace(temp, \"__name__\", \"other\", \"room\", \".*\")) * on (room, __name__) (temp or "
    "label_replace(temp, \"__name__\", \"other\", \"room\", \".*\"))",
    "(temp or label_replace(temp, \"__name__\", \"other\", \"room\", \".*\")) >= on (room, __name__) (temp "
    "or label_replace(temp, \"__name__\", \"other\", \"room\", \".*\"))",
    "label_replace(temp, \"floor\", \"$1\", \"room\", \"(.).*\")",
    "label_replace(temp, \"floor\", \"x\", \"room\", \"nomatch\")",
    "label_replace(temp, \"room\", \"\", \"room\", \".*\")",
    "label_replace(temp, \"a\", \"${first}-$2-$$\", \"room\", \"(?P<first>l)(.*)\")",
    "label_replace(temp, \"__name__\", \"other\", \"room\", \".*\")",
    "label_replace(temp, \"a\", \"b\", \"nope\", \"\")",
    "label_replace(temp, \"a\", \"$3x\", \"room\", \"(.*)\")",
    "label_replace(temp, \"a\", \"<$01>\", \"room\", \"(.*)\")",
    "label_replace(temp, \"a\", \"<$é|$1é|${1}é|$ß_1|$٣|$€>\", \"room\", \"(.*)\")",
    "label_replace(temp, \"a\", \"<${01}$0$1>\", \"room\", \"(.*)\")",
    "label_join(temp, \"both\", \"-\", \"room\", \"__name__\")",
    "label_join(req, \"job\", \"\", \"nope\")",
    "label_join(temp, \"both\", \",\")",
    "histogram_quantile(0.9, bucket)",
    "histogram_quantile(0.5, sum by (le)(rate(bucket[5m])))",
    "histogram_quantile(1.5, bucket)",
    "histogram_quantile(0.9, temp)",
    "histogram_count(temp)",
    "histogram_sum(bucket)",
    "histogram_fraction(0, 1, temp)",
    "histogram_quantile(scalar(vector(0.2)), rate(bucket[10m]))",
    // Ranges.
    "rate(req[5m])",
    "increase(req[1m])",
    "irate(req[1m])",
    "delta(temp[5m])",
    "idelta(temp[5m])",
    "deriv(temp[10m])",
    "predict_linear(temp[10m], 3600)",
    "predict_linear(temp[10m] offset 5m, -60)",
    "resets(req[1h])",
    "changes(temp[10m])",
    "avg_over_time(odd[5m])",
    "sum_over_time(temp[5m])",
    "min_over_time(odd[5m])",
    "max_over_time(odd[5m])",
    "count_over_time(gone[30m])",
    "last_over_time(temp[5m])",
    "present_over_time(gone[1h])",
    "stddev_over_time(temp[10m])",
    "stdvar_over_time(odd[3m])",
    "quantile_over_time(0.9, temp[10m])",
    "quantile_over_time(0.5, odd[10m])",
    "quantile_over_time(2, temp[10m])",
    "holt_winters(temp[10m], 0.5, 0.1)",
    "holt_winters(temp[10m], 1.5, 0.1)",
    "holt_winters(temp[10m], NaN, 0.5)",
    "holt_winters(temp[10m], 0.5, -NaN)",
    "holt_winters(nope[10m], 2, 0.5)",
    "holt_winters(nope[10m:30s], 2, 0.5)",
    "holt_winters(temp[10m:30s], 2, 0.5)",
    "deriv(odd[5m])",
    "deriv(tie[5m])",
    "predict_linear(odd{k=\"inf\"}[5m], 60)",
    "rate(req[1s])",
    "rate(temp[15s])",
    "rate(req[5m] offset 10m)",
    "rate(req[5m] @ 1700007000)",
    "rate(req[5m] @ end())",
    "changes(odd[10m])",
    "resets(odd[10m])",
    "rate({__name__=~\"req|temp\"}[5m])",
    "last_over_time({__name__=~\"req|temp\"}[5m])",
    "stddev_over_time(tie[5m])",
    "sum(rate({__name__=~\"req|temp\"}[5m])) by (job)",
    "rate({__name__=~\"temp|tie|odd|temp\"}[5m])",
    // Subqueries.
    "max_over_time(rate(req[1m])[10m:1m])",
    "rate(req[5m:30s])",
    "avg_over_time(temp[10m:])",
    "sum_over_time((temp > 22)[10m:1m])",
    "min_over_time(temp[10m:1m] offset 5m)",
    "max_over_time(temp[10m:1m] @ 1700007000)",
    "count_over_time(vector(1)[10m:7s])",
    "deriv(sum(req)[10m:30s])",
    "quantile_over_time(0.5, rate(req[2m])[10m:20s])",
    "last_over_time(temp[10m:1m])",
    "last_over_time(sum by (job)(req)[10m:1m])",
    "increase(sum without (instance)(req)[20m:1m])",
    "absent_over_time(gone[10m:1m])",
    "max_over_time(avg_over_time(temp[5m:30s])[10m:1m])",
    "changes(info[1h:15s])",
    "count_over_time((gone)[1h:13s])",
    "irate(req[5m:45s])",
    "present_over_time(gone[1h:1m])",
    "sum_over_time(time()[5m:1m])",
    "stddev_over_time(temp[10m:45s])",
    "holt_winters(temp[10m:30s], 0.3, 0.7)",
    "predict_linear(temp[10m:30s], 100)",
    "{__name__=\"temp\", __name__=\"req\"}",
    "{__name__=~\"t.*\", __name__!=\"tie\"}",
    "topk(-1, temp)",
    "topk(0.5, temp)",
    // Refused by both.
    "topk(NaN, temp)",
    "bottomk(1e30, temp)",
    "topk(1/0, gone)",
    "topk(9223372036854774784, temp)",
    "topk(9223372036854775807, temp)",
    "sum by (inf)(temp)",
    "sum by (without)(temp)",
    "0x8000000000000000",
    "temp + on(NaN) temp",
    "temp offset 0s",
    "temp offset +5m",
    "temp + on(room) 1",
    "topk(scalar(gone), temp)",
    "temp[300y]",
    "temp offset 293y",
    "1e400",
    "rate(temp[$__rate_interval])",
    "",
    "(",
    "temp{",
    "temp[5m",
    "temp[0s]",
    "temp offset",
    "sum temp",
    "rate(temp)",
    "rate(temp[5m], 1)",
    "nope(temp)",
    "temp == on(",
    "1 > 2",
    "1 and 2",
    "temp and 1",
    "temp + on(room) group_left(room) temp",
    "temp group_left temp",
    "{}",
    "{a=\"\"}",
    "{a=~\".*\"}",
    "temp{room=~\"(\"}",
    "temp{room=lab}",
    "temp{__name__=\"other\"}",
    "temp{__name__=~\"t.*\"}",
    "temp{__name__!=\"other\"}",
    "temp @ temp",
    "temp @ start",
    "\"unended",
    "'a\\q'",
    "label_replace(temp, \"a\", \"b\", \"c\", \"(\")",
    "sum(1)",
    "topk(temp, 1)",
    "topk(temp)",
    "temp bool 1",
    "temp + bool 1",
    "-\"a\"",
    "temp[5m][5m]",
    "sum(temp)[5m]",
    "temp[5m:0s]",
    "rate(temp[5m]) offset 1m",
    "1 offset 1m",
    "$",
    "temp ^",
    "temp ~ 1",
    "temp{room=\"lab\"}}",
    "sum by room (temp)",
    "sum by (room",
    "time(1)",
    "temp offset 1m offset 1m",
    "group_left",
};

struct Answer {
  std::string error;  // of a question that was refused
  std::string type;
  std::vector<std::pair<Labels, double>> rows;
  std::string text;
};

// A point of a range: its time stands among the labels.
Labels at_time(const Labels& labels, std::int64_t ms) {
  return labels.with("time", std::to_string(ms));
}

Answer theirs(const PrometheusServer& server, const std::string& expression, std::int64_t at) {
  const auto json = nlohmann::json::parse(
      server.get(fmt::format("/api/v1/query?time={}&query={}", at, percent_encoded(expression))).body);
  Answer out;
  if (json["status"] != "success") return {json["error"], {}, {}, {}};
  out.type = json["data"]["resultType"];
  const auto& result = json["data"]["result"];
  if (out.type == "string") {
    out.text = result[1];
  } else if (out.type == "scalar") {
    out.rows.emplace_back(Labels{}, test::api_value(result[1]));
  } else {
    for (const auto& row : result) {
      std::vector<Labels::Pair> labels;
      for (const auto& [name, value] : row["metric"].items()) labels.emplace_back(name, value);
      for (const auto& point : row.value("values", nlohmann::json::array()))
        out.rows.emplace_back(at_time(Labels(labels), std::llround(point[0].get<double>() * 1000)),
                              test::api_value(point[1]));
      if (out.type == "vector")
        out.rows.emplace_back(Labels(std::move(labels)), test::api_value(row["value"][1]));
    }
  }
  return out;
}

Answer ours(const store::SeriesStore& store, const std::string& expression, std::int64_t at) {
  const Instant instant{at * 1000};
  const lower::CompiledQuery query = lower::compile_promql(expression, std::pair{instant, instant}, {});
  if (!query.plan) return {query.diagnostics.all().front().message, {}, {}, {}};
  if (query.root == plan::none) return {{}, "string", {}, query.literal};
  eval::StoreProvider leaves(store);
  eval::ShapeRunner shapes(*query.plan, eval::Tier::interpreter, nullptr, nullptr);
  std::vector<eval::Fault> faults;
  eval::Evaluation::Context context;
  context.plan = &*query.plan;
  context.leaves = &leaves;
  context.shapes = &shapes;
  context.at = instant;
  context.faults = &faults;
  if (query.is_range) {
    Answer out;
    out.type = "matrix";
    for (const eval::RangeSeries& one : eval::range_values(store, query.root, context))
      for (std::size_t i = 0; i < one.samples.size(); ++i)
        out.rows.emplace_back(at_time(one.labels, one.samples.times[i]), one.samples.values[i]);
    if (!faults.empty()) return {faults.front().what, {}, {}, {}};
    return out;
  }
  eval::Evaluation evaluation(context);
  const eval::Column& column = evaluation.column(query.root);
  if (!faults.empty()) return {faults.front().what, {}, {}, {}};
  Answer out;
  out.type = query.plan->nodes[query.root].scalar ? "scalar" : "vector";
  for (std::size_t row = 0; row < column.size(); ++row)
    if (column.evidence[row] == 0) out.rows.emplace_back((*column.rows)[row], column.value[row]);
  return out;
}

// Bits, but where digits depend on the order of a sum or on the C library.
bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b)) return true;
  return std::fabs(a - b) <= 1e-12 * std::max(std::fabs(a), std::fabs(b));
}

std::string shown(const Answer& answer) {
  if (!answer.error.empty()) return "refused: " + answer.error;
  std::string out = answer.type + " " + answer.text;
  for (const auto& [labels, value] : answer.rows)
    out += fmt::format("\n    {} {:.17g}", to_string(labels), value);
  return out;
}

bool has_order(const std::string& expression) {
  return expression.starts_with("sort") ||
         (expression.starts_with("topk(2, temp") || expression.starts_with("bottomk(2, temp"));
}

TEST(PromqlIsPrometheus, EveryForm) {
  const std::string text = recording();
  std::string error;
  const auto server = PrometheusServer::start(text, error);
  ASSERT_TRUE(server) << error;
  store::SeriesStore store{Limits{}};
  ASSERT_TRUE(sources::load_exposition(text, store, Limits{}));
  std::size_t points = 0;
  for (const std::string& expression : expressions) {
    for (const std::int64_t at : {begin + 607, begin + 2000, begin + 3585}) {
      Answer want = theirs(*server, expression, at), have = ours(store, expression, at);
      if (!has_order(expression)) {
        std::sort(want.rows.begin(), want.rows.end());
        std::sort(have.rows.begin(), have.rows.end());
      }
      bool equal = want.error.empty() == have.error.empty() && want.type == have.type &&
                   want.text == have.text && want.rows.size() == have.rows.size();
      for (std::size_t i = 0; equal && i < want.rows.size(); ++i)
        equal = want.rows[i].first == have.rows[i].first && same(want.rows[i].second, have.rows[i].second);
      points += want.rows.size();
      EXPECT_TRUE(equal) << expression << "\n  at " << at << "\n  Prometheus: " << shown(want)
                         << "\n  Signalbox: " << shown(have);
      if (!equal) break;
    }
  }
  EXPECT_GT(points, 2500u);
}

}  // namespace
}  // namespace signalbox::wire
