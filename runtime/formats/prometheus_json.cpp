// The one translation unit that sees nlohmann's parser: events only, since its tree keeps the last of
// duplicate keys silently and an answer may be hundreds of megabytes.
#include "runtime/formats/prometheus_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "runtime/formats/prometheus_reader.hpp"
#include "runtime/formats/text.hpp"

namespace signalbox::formats {
namespace {

// Anything but a well-formed answer with "status":"success" is an error.
std::optional<Error> read_answer(std::string_view json, AnswerReader& reader) {
  if (looks_like_html(json)) {
    return Error{ErrorCode::malformed, "this is an HTML page, not an answer of Prometheus' HTTP API",
                 "check the URL: it is the server's base, before /api/v1"};
  }
  try {
    const bool whole = nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
    if (!whole) return reader.error.value_or(Error{ErrorCode::malformed, "this is not JSON"});
  } catch (const std::exception& e) {
    return Error{ErrorCode::internal, fmt::format("while reading JSON: {}", e.what())};
  }
  if (!reader.status) return Error{ErrorCode::malformed, "an answer without 'status'"};
  if (*reader.status == "error") {
    const std::string type = reader.error_type.value_or("");
    std::string reason = reader.error_text.value_or("no reason given");
    constexpr std::size_t shown = 500;
    if (reason.size() > shown) {
      reason.resize(shown);
      while (!reason.empty() && text_fault(reason) != std::string::npos) reason.pop_back();
      reason += "…";
    }
    ErrorCode code = ErrorCode::outcome_unknown;
    if (type == "bad_data") code = ErrorCode::invalid_argument;
    if (type == "not_found") code = ErrorCode::not_found;
    return Error{code, fmt::format("the server answers {}: {}", type.empty() ? "an error" : type, reason)};
  }
  if (*reader.status != "success")
    return Error{ErrorCode::malformed, fmt::format("status: {} is not known", excerpt(*reader.status))};
  if (!reader.has_data) return Error{ErrorCode::malformed, "an answer without 'data'"};
  return std::nullopt;
}

// The shape of `result` must be the one that resultType announced, whichever came first.
std::optional<Error> settle_type(AnswerReader& reader) {
  const auto malformed = [](std::string what) { return Error{ErrorCode::malformed, std::move(what)}; };
  if (!reader.result_type || !reader.has_result)
    return malformed("data: 'resultType' and 'result' are both needed");
  const std::string& type = *reader.result_type;
  QueryAnswer& answer = reader.answer;
  const bool matrix = type == "matrix", scalar = type == "scalar";
  if (matrix || type == "vector") {
    if (reader.scalar_parts != 0 || (matrix ? reader.with_value : reader.with_values) != 0)
      return malformed(fmt::format("data.result: not what a {} is made of", type));
    answer.result_type = matrix ? QueryResultType::matrix : QueryResultType::vector;
    return std::nullopt;
  }
  if (!scalar && type != "string")
    return malformed(fmt::format("data.resultType: {} is not known", excerpt(type)));
  if (reader.scalar_parts != 2) return malformed(fmt::format("data.result: not what a {} is made of", type));
  answer.result_type = scalar ? QueryResultType::scalar : QueryResultType::string;
  if (!scalar) {
    answer.text = std::move(reader.scalar_text);
    return std::nullopt;
  }
  const std::optional<double> value = parse_sample_value(reader.scalar_text);
  if (!value)
    return malformed(fmt::format("data.result[1]: {} is not a double", excerpt(reader.scalar_text)));
  answer.series.push_back({Labels{}, {reader.scalar_time}, {*value}});
  return std::nullopt;
}

}  // namespace

Result<QueryAnswer> parse_query_answer(std::string_view json, const Limits& limits) {
  AnswerReader reader(limits);
  if (auto error = read_answer(json, reader)) return *std::move(error);
  if (auto error = settle_type(reader)) return *std::move(error);
  if (reader.is_partial)
    reader.answer.warnings.emplace_back("isPartial: the answer does not cover all storage");
  return std::move(reader.answer);
}

Result<std::string> parse_buildinfo_version(std::string_view json) {
  const Limits limits;
  AnswerReader reader(limits);
  if (auto error = read_answer(json, reader)) return *std::move(error);
  if (!reader.version || reader.version->empty())
    return Error{ErrorCode::malformed, "data: 'version' is needed"};
  return *std::move(reader.version);
}

}  // namespace signalbox::formats
