#include "runtime/formats/prometheus_json.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace signalbox::formats {
namespace {

std::string success(std::string_view data, std::string_view more = "") {
  return "{\"status\":\"success\",\"data\":" + std::string(data) + std::string(more) + "}";
}
std::string result(std::string_view type, std::string_view items) {
  return success("{\"resultType\":\"" + std::string(type) + "\",\"result\":" + std::string(items) + "}");
}
Result<QueryAnswer> parse(std::string_view json, const Limits& limits = {}) {
  return parse_query_answer(json, limits);
}
std::string fault(std::string_view json, ErrorCode code = ErrorCode::malformed) {
  const auto answer = parse(json);
  if (answer) return "no fault";
  EXPECT_EQ(answer.error().code, code) << answer.error().message;
  return answer.error().message;
}

TEST(PrometheusJson, Matrix) {
  const auto answer =
      parse(result("matrix", R"([{"metric":{"__name__":"up","job":"a"},"values":[[1700000000,"1"],)"
                             R"([1700000015.123,"NaN"],[1700000030.5,"+Inf"]]},)"
                             R"({"values":[[-1.5,"-0.25"]],"metric":{}}])"));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->result_type, QueryResultType::matrix);
  ASSERT_EQ(answer->series.size(), 2u);
  EXPECT_EQ(to_string(answer->series[0].labels), "up{job=\"a\"}");
  EXPECT_EQ(answer->series[0].times,
            (std::vector<std::int64_t>{1700000000000, 1700000015123, 1700000030500}));
  EXPECT_EQ(answer->series[0].values[0], 1);
  EXPECT_TRUE(std::isnan(answer->series[0].values[1]));
  EXPECT_TRUE(std::isinf(answer->series[0].values[2]));
  EXPECT_TRUE(answer->series[1].labels.empty());
  EXPECT_EQ(answer->series[1].times[0], -1500);
  EXPECT_TRUE(answer->warnings.empty());
}

TEST(PrometheusJson, VectorScalarString) {
  const auto vector = parse(result("vector", R"([{"metric":{"a":"é\n"},"value":[1,"2e3"]}])"));
  ASSERT_TRUE(vector) << vector.error().message;
  EXPECT_EQ(vector->series.at(0).labels.get("a"), "é\n");
  EXPECT_EQ(vector->series[0].values, std::vector<double>{2000});
  EXPECT_EQ(parse(result("vector", "[]"))->series.size(), 0u);

  const auto scalar = parse(result("scalar", R"([1700000000.781,"4"])"));
  ASSERT_TRUE(scalar) << scalar.error().message;
  EXPECT_EQ(scalar->result_type, QueryResultType::scalar);
  EXPECT_EQ(scalar->series.at(0).times[0], 1700000000781);
  EXPECT_EQ(scalar->series[0].values[0], 4);

  const auto string = parse(result("string", R"([1,"x y"])"));
  ASSERT_TRUE(string) << string.error().message;
  EXPECT_EQ(string->text, "x y");
  EXPECT_TRUE(string->series.empty());

  EXPECT_TRUE(parse(success(R"({"result":[],"resultType":"matrix","stats":{"a":[1,{"b":null}]}})")));
}

TEST(PrometheusJson, WarningsArePartialAnswers) {
  constexpr std::string_view empty = R"({"resultType":"vector","result":[]})";
  EXPECT_EQ(parse(success(empty, R"(,"warnings":["remote read: timeout","b"],"infos":["x"])"))->warnings,
            (std::vector<std::string>{"remote read: timeout", "b"}));
  EXPECT_EQ(parse(success(empty, R"(,"isPartial":true)"))->warnings.size(), 1u);
  EXPECT_TRUE(parse(success(empty, R"(,"isPartial":false,"warnings":null)"))->warnings.empty());
}

TEST(PrometheusJson, ErrorsOfTheServer) {
  EXPECT_EQ(fault(R"({"status":"error","errorType":"bad_data","error":"1:4: parse error"})",
                  ErrorCode::invalid_argument),
            "the server answers bad_data: 1:4: parse error");
  EXPECT_EQ(fault(R"({"status":"error","errorType":"timeout","error":"query timed out","data":null})",
                  ErrorCode::malformed),
            "data: null is not expected here");
  EXPECT_EQ(fault(R"({"status":"error","errorType":"timeout","error":"query timed out"})",
                  ErrorCode::outcome_unknown),
            "the server answers timeout: query timed out");
  EXPECT_EQ(fault(R"({"status":"error"})", ErrorCode::outcome_unknown),
            "the server answers an error: no reason given");
  EXPECT_LT(fault("{\"status\":\"error\",\"error\":\"" + std::string(100'000, 'x') + "\"}",
                  ErrorCode::outcome_unknown)
                .size(),
            600u);
}

TEST(PrometheusJson, MalformedAnswersSayWhere) {
  EXPECT_EQ(fault(result("vector", R"([{"metric":{"a":"1","a":"2"},"value":[1,"2"]}])")),
            "data.result[0].metric.a: the label stands here a second time");
  EXPECT_EQ(fault(R"({"status":"error","status":"success","data":{"resultType":"vector","result":[]}})"),
            "at the top: the key 'status' stands here a second time");
  EXPECT_EQ(fault(success(R"({"resultType":"vector","result":[],"result":[]})")),
            "data: the key 'result' stands here a second time");
  EXPECT_EQ(fault(result("vector", R"([{"metric":{},"value":[1,"2"],"value":[1,"3"]}])")),
            "data.result[0]: the key 'value' stands here a second time");
  EXPECT_EQ(fault(result("matrix", R"([{"metric":{},"values":[[1,"2"],[1,"3"]]}])")),
            "data.result[0].values[1][0]: the times of a series must rise");
  EXPECT_EQ(fault(result("matrix", R"([{"metric":{},"values":[[1,"two"]]}])")),
            "data.result[0].values[0][1]: 'two' is not a double");
  EXPECT_EQ(fault(result("matrix", R"([{"metric":{},"values":[[1,2]]}])")),
            "data.result[0].values[0][1]: a number is not expected here");
  EXPECT_EQ(fault(result("vector", R"([{"metric":{},"value":[1]}])")),
            "data.result[0].value[0]: a sample is a pair of a time and a value");
  EXPECT_EQ(fault(result("scalar", R"([1])")), "data.result[0]: a scalar is a pair of a time and a value");
  EXPECT_EQ(fault("<!DOCTYPE html><html>"), "this is an HTML page, not an answer of Prometheus' HTTP API");
  EXPECT_EQ(
      fault(result("vector", R"([{"metric":{},"histogram":[1,{"count":"1"}]}])"), ErrorCode::unsupported),
      "data.result[0].histogram: native histograms are not read from the query API, which does not hand them "
      "out whole");
  for (const std::string& bad : {std::string(),
                                 std::string("null"),
                                 std::string("[]"),
                                 std::string("1"),
                                 std::string("{}"),
                                 std::string(R"({"status":"success"})"),
                                 std::string(R"({"status":"fine","data":{}})"),
                                 success("{}"),
                                 success("[]"),
                                 success("null"),
                                 result("vector", "null"),
                                 result("vector", "{}"),
                                 result("vector", "[1,\"2\"]"),
                                 result("scalar", "[]"),
                                 result("scalar", R"([1,"x"])"),
                                 result("scalar", R"([1,"2","3"])"),
                                 result("scalar", R"([{"metric":{},"value":[1,"2"]}])"),
                                 result("sampler", "[]"),
                                 result("matrix", R"([{"metric":{},"value":[1,"2"]}])"),
                                 result("vector", R"([{"metric":{},"values":[[1,"2"]]}])"),
                                 result("vector", R"([{"value":[1,"2"]}])"),
                                 result("vector", R"([{"metric":{}}])"),
                                 result("vector", R"([{"metric":{},"value":[1,"2",3]}])"),
                                 result("vector", R"([{"metric":{},"value":["1","2"]}])"),
                                 result("vector", R"([{"metric":{"a":1},"value":[1,"2"]}])"),
                                 result("vector", R"([{"metric":{},"value":[1e40,"2"]}])"),
                                 result("vector", R"([{"metric":{},"value":[1e999,"2"]}])"),
                                 result("vector", "[]") + "x",
                                 result("vector", "[{\"metric\":{\"a\":\"\xff\"},\"value\":[1,\"2\"]}]"),
                                 std::string(200'000, '['),
                                 std::string("{\"x\":") + std::string(200'000, '[')}) {
    const auto answer = parse(bad);
    ASSERT_FALSE(answer) << bad.substr(0, 100);
    EXPECT_EQ(answer.error().code, ErrorCode::malformed) << bad.substr(0, 100);
    EXPECT_LT(answer.error().message.size(), 300u);
  }
}

TEST(PrometheusJson, EveryPrefixIsMalformed) {
  const std::string whole = result("matrix", R"([{"metric":{"a":"b\"c"},"values":[[1.5,"2"],[3,"4"]]}])");
  ASSERT_TRUE(parse(whole));
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_FALSE(parse(std::string_view(whole).substr(0, n))) << n;
}

TEST(PrometheusJson, BoundsAreKept) {
  const auto refused = [](const Limits& limits) {
    const auto answer =
        parse(result("matrix", R"([{"metric":{"__name__":"m","ab":"12"},"values":[[1,"2"],[2,"2"]]},)"
                               R"({"metric":{"ab":"c","d":"e"},"values":[[1,"2"]]}])"),
              limits);
    if (answer) return std::string("no fault");
    EXPECT_EQ(answer.error().code, ErrorCode::limit_exceeded);
    return answer.error().message;
  };
  Limits limits;
  limits.store_series = limits.labels_per_series = limits.label_name_bytes = limits.label_value_bytes = 2;
  limits.label_name_bytes = 8;
  limits.answer_samples = 3;
  EXPECT_EQ(refused(limits), "no fault");
  Limits less = limits;
  less.store_series = 1;
  EXPECT_EQ(refused(less), "data.result[1]: more series than 1 (store_series)");
  less = limits;
  less.answer_samples = 2;
  EXPECT_EQ(refused(less), "data.result[1].values[0][0]: more samples than 2 (answer_samples)");
  less = limits;
  less.label_value_bytes = 1;
  EXPECT_EQ(refused(less), "data.result[0].metric.ab: a label value longer than 1 (label_value_bytes)");
  less = limits;
  less.label_name_bytes = 1;
  EXPECT_EQ(refused(less), "data.result[0].metric.__name__: a label name longer than 1 (label_name_bytes)");
  less = limits;
  less.labels_per_series = 0;
  EXPECT_EQ(refused(less), "data.result[0].metric.ab: more labels than 0 (labels_per_series)");
}

TEST(PrometheusJson, BuildInfo) {
  EXPECT_EQ(
      *parse_buildinfo_version(success(R"({"version":"2.42.0+ds","revision":"x","goVersion":"go1.19"})")),
      "2.42.0+ds");
  for (const std::string& bad :
       {success("{}"), success(R"({"version":""})"), success(R"({"version":1})"),
        success(R"({"version":"1","version":"2"})"), std::string("<html>"), std::string("{")})
    EXPECT_FALSE(parse_buildinfo_version(bad)) << bad;
}

}  // namespace
}  // namespace signalbox::formats
