// Takes the events of a JSON parser and keeps what an API answer says. Events, since nlohmann's tree keeps
// the last of duplicate keys silently and an answer may be hundreds of megabytes. For prometheus_json.cpp
// alone.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "runtime/formats/prometheus_json.hpp"
#include "runtime/formats/text.hpp"

namespace signalbox::formats {

// What a value stands for: known keys of the objects we read, and places in arrays.
enum class Slot : unsigned {
  unknown,
  root,
  status,
  error_type,
  error,
  warnings,
  is_partial,
  data,
  result_type,
  result,
  version,
  metric,
  value,
  values,
  histograms,
  item,     // of result
  label,    // of metric
  point,    // of values
  warning,  // of warnings
  time,
  number,
  surplus,
};

struct Known {
  Slot object;
  std::string_view key;
  Slot slot;
};
inline constexpr Known known_keys[] = {
    {Slot::root, "status", Slot::status},
    {Slot::root, "errorType", Slot::error_type},
    {Slot::root, "error", Slot::error},
    {Slot::root, "warnings", Slot::warnings},
    {Slot::root, "isPartial", Slot::is_partial},
    {Slot::root, "data", Slot::data},
    {Slot::data, "resultType", Slot::result_type},
    {Slot::data, "result", Slot::result},
    {Slot::data, "version", Slot::version},
    {Slot::item, "metric", Slot::metric},
    {Slot::item, "value", Slot::value},
    {Slot::item, "values", Slot::values},
    {Slot::item, "histogram", Slot::histograms},
    {Slot::item, "histograms", Slot::histograms},
};

inline std::string join_path(std::string path, std::string_view key) {
  if (!path.empty()) path += '.';
  const std::string shown = excerpt(key);
  return path.append(shown, 1, shown.size() - 2);
}

class AnswerReader {
 public:
  explicit AnswerReader(const Limits& limits) : limits_(limits) {}

  std::optional<Error> error;
  std::optional<std::string> status, error_type, error_text, result_type, version;
  std::string scalar_text;
  std::int64_t scalar_time = 0;
  std::size_t with_value = 0, with_values = 0;  // series
  int scalar_parts = 0;
  bool has_data = false, has_result = false, is_partial = false;
  QueryAnswer answer;

  // nlohmann's event interface; false ends the parse.
  bool null() {
    const Slot s = next();
    return s == Slot::unknown || s == Slot::warnings ? true : unexpected("null");
  }
  bool boolean(bool value) {
    const Slot s = next();
    if (s == Slot::is_partial) is_partial = value;
    return s == Slot::unknown || s == Slot::is_partial ? true : unexpected("a boolean");
  }
  bool number_integer(std::int64_t value) { return number(fmt::format("{}", value)); }
  bool number_unsigned(std::uint64_t value) { return number(fmt::format("{}", value)); }
  bool number_float(double, const std::string& digits) { return number(digits); }
  bool string(std::string& text) {
    switch (next()) {
      case Slot::unknown:
        return true;
      case Slot::status:
        status = std::move(text);
        return true;
      case Slot::error_type:
        error_type = std::move(text);
        return true;
      case Slot::error:
        error_text = std::move(text);
        return true;
      case Slot::result_type:
        result_type = std::move(text);
        return true;
      case Slot::version:
        version = std::move(text);
        return true;
      case Slot::warning:
        answer.warnings.push_back(std::move(text));
        return true;
      case Slot::label:
        return add_label(std::move(text));
      case Slot::number:
        return add_value(text);
      case Slot::item:
        if (scalar_parts != 1) break;
        scalar_parts = 2;
        scalar_text = std::move(text);
        return true;
      default:
        break;
    }
    return unexpected("a string");
  }
  template <class Binary>
  bool binary(Binary&) {
    return unexpected("binary");
  }

  bool start_object(std::size_t) {
    if (skipped_ > 0) return skip();
    const Slot s = next();
    switch (s) {
      case Slot::unknown:
        return skip();
      case Slot::root:
        break;
      case Slot::data:
        has_data = true;
        break;
      case Slot::item:
        if (scalar_parts != 0) return unexpected("an object");
        if (answer.series.size() == limits_.store_series)
          return limit("more series", limits_.store_series, "store_series");
        answer.series.emplace_back();
        break;
      case Slot::metric:
        labels_.clear();
        break;
      case Slot::histograms:
        return native_histogram();
      default:
        return unexpected("an object");
    }
    stack_.push_back({s});
    return true;
  }
  bool key(std::string& key) {
    if (skipped_ > 0) return true;
    Frame& frame = stack_.back();
    frame.key = Slot::unknown;
    if (frame.slot == Slot::metric) {
      // Duplicates among labels are seen when all are there.
      frame.key = Slot::label;
      label_name_ = std::move(key);
      return true;
    }
    for (const Known& known : known_keys) {
      if (known.object != frame.slot || known.key != key) continue;
      const unsigned bit = 1u << static_cast<unsigned>(known.slot);
      if (frame.seen & bit) return fail(fmt::format("the key {} stands here a second time", excerpt(key)));
      frame.seen |= bit;
      frame.key = known.slot;
    }
    return true;
  }
  bool end_object() {
    if (skipped_ > 0) return unskip();
    const Frame& frame = stack_.back();
    const auto seen = [&](Slot s) { return (frame.seen & (1u << static_cast<unsigned>(s))) != 0; };
    if (frame.slot == Slot::metric && !finish_labels()) return false;
    if (frame.slot == Slot::item) {
      if (!seen(Slot::metric)) return fail("a series without 'metric'");
      if (seen(Slot::value) == seen(Slot::values)) return fail("a series needs one of 'value' and 'values'");
      ++(seen(Slot::value) ? with_value : with_values);
    }
    stack_.pop_back();
    return true;
  }
  bool start_array(std::size_t) {
    if (skipped_ > 0) return skip();
    const Slot s = next();
    switch (s) {
      case Slot::unknown:
        return skip();
      case Slot::result:
        has_result = true;
        break;
      case Slot::warnings:
      case Slot::value:
      case Slot::values:
      case Slot::point:
        break;
      case Slot::histograms:
        return native_histogram();
      default:
        return unexpected("an array");
    }
    stack_.push_back({s});
    return true;
  }
  bool end_array() {
    if (skipped_ > 0) return unskip();
    const Frame& frame = stack_.back();
    const bool pair = frame.slot == Slot::value || frame.slot == Slot::point;
    if (pair && frame.count != 2) return fail("a sample is a pair of a time and a value");
    if (frame.slot == Slot::result && scalar_parts == 1)
      return fail("a scalar is a pair of a time and a value");
    stack_.pop_back();
    return true;
  }
  template <class Exception>
  bool parse_error(std::size_t, const std::string&, const Exception& e) {
    std::string_view what = e.what();
    const std::size_t bracket = what.find("] ");
    if (bracket != std::string_view::npos) what.remove_prefix(bracket + 2);
    // It quotes the last token, which may be as long as the text.
    constexpr std::size_t shown = 160;
    std::string message;
    for (char c : what.substr(0, shown)) message += c >= ' ' && c <= '~' ? c : '?';
    error = Error{ErrorCode::malformed, message + (what.size() > shown ? "…" : "")};
    return false;
  }

 private:
  struct Frame {
    Slot slot;
    Slot key = Slot::unknown;
    unsigned seen = 0;      // keys of an object, one bit a Slot
    std::size_t count = 0;  // values of an array so far
  };

  // The meaning of the value that begins now.
  Slot next() {
    if (skipped_ > 0) return Slot::unknown;
    if (stack_.empty()) return Slot::root;
    Frame& frame = stack_.back();
    const std::size_t index = frame.count++;
    switch (frame.slot) {
      case Slot::result:
        return Slot::item;
      case Slot::values:
        return Slot::point;
      case Slot::warnings:
        return Slot::warning;
      case Slot::value:
      case Slot::point:
        return index == 0 ? Slot::time : index == 1 ? Slot::number : Slot::surplus;
      default:
        return frame.key;
    }
  }
  bool skip() { return ++skipped_ > 0; }
  bool unskip() {
    --skipped_;
    return true;
  }

  std::string path() const {
    std::string out;
    for (const Frame& frame : stack_) {
      const bool object = frame.slot == Slot::root || frame.slot == Slot::data || frame.slot == Slot::item;
      if (frame.slot == Slot::metric) {
        out = join_path(std::move(out), label_name_);
      } else if (!object) {
        if (frame.count > 0) out += fmt::format("[{}]", frame.count - 1);
      } else {
        for (const Known& known : known_keys)
          if (known.object == frame.slot && known.slot == frame.key) {
            out = join_path(std::move(out), known.key);
            break;
          }
      }
    }
    return out.empty() ? "at the top" : out;
  }
  bool fail(std::string_view what, ErrorCode code = ErrorCode::malformed) {
    error = Error{code, fmt::format("{}: {}", path(), what)};
    return false;
  }
  bool unexpected(std::string_view kind) { return fail(fmt::format("{} is not expected here", kind)); }
  bool limit(std::string_view what, std::size_t bound, std::string_view field) {
    return fail(fmt::format("{} than {} ({})", what, bound, field), ErrorCode::limit_exceeded);
  }
  bool native_histogram() {
    fail("native histograms are not read from the query API, which does not hand them out whole",
         ErrorCode::unsupported);
    error->hint = "read them by remote read: the URL with /api/v1/read behind it";
    return false;
  }

  bool number(const std::string& digits) {
    const Slot s = next();
    if (s == Slot::unknown) return true;
    const bool scalar = s == Slot::item && scalar_parts == 0 && answer.series.empty();
    if (s != Slot::time && !scalar) return unexpected("a number");
    const std::optional<std::int64_t> ms = parse_seconds_as_ms(digits);
    if (!ms) return fail(fmt::format("{} is not a time in seconds", excerpt(digits)));
    if (scalar) {
      scalar_parts = 1;
      scalar_time = *ms;
      return true;
    }
    QuerySeries& series = answer.series.back();
    if (!series.times.empty() && series.times.back() >= *ms) return fail("the times of a series must rise");
    if (samples_ == limits_.answer_samples)
      return limit("more samples", limits_.answer_samples, "answer_samples");
    ++samples_;
    series.times.push_back(*ms);
    return true;
  }
  bool add_value(const std::string& digits) {
    const std::optional<double> value = parse_sample_value(digits);
    if (!value) return fail(fmt::format("{} is not a double", excerpt(digits)));
    answer.series.back().values.push_back(*value);
    return true;
  }
  bool add_label(std::string value) {
    if (labels_.size() > limits_.labels_per_series)  // the metric's name comes on top
      return limit("more labels", limits_.labels_per_series, "labels_per_series");
    if (label_name_.size() > limits_.label_name_bytes)
      return limit("a label name longer", limits_.label_name_bytes, "label_name_bytes");
    if (value.size() > limits_.label_value_bytes)
      return limit("a label value longer", limits_.label_value_bytes, "label_value_bytes");
    labels_.emplace_back(std::move(label_name_), std::move(value));
    return true;
  }
  bool finish_labels() {
    std::sort(labels_.begin(), labels_.end());
    for (std::size_t i = 1; i < labels_.size(); ++i) {
      if (labels_[i].first != labels_[i - 1].first) continue;
      label_name_ = labels_[i].first;
      return fail("the label stands here a second time");
    }
    answer.series.back().labels = Labels(std::move(labels_));
    return true;
  }

  const Limits& limits_;
  std::vector<Frame> stack_;
  std::size_t skipped_ = 0;  // open brackets of what is not known
  std::size_t samples_ = 0;
  std::string label_name_;
  std::vector<Labels::Pair> labels_;
};

}  // namespace signalbox::formats
