#include "runtime/formats/exposition.hpp"

#include <fmt/format.h>

#include <cstring>

#include "runtime/formats/exposition_line.hpp"
#include "runtime/formats/text.hpp"

namespace signalbox::formats {
namespace {

bool is_family_type(std::string_view type, bool openmetrics) {
  for (std::string_view t : {"counter", "gauge", "histogram", "summary"})
    if (type == t) return true;
  if (!openmetrics) return type == "untyped";
  for (std::string_view t : {"unknown", "info", "stateset", "gaugehistogram"})
    if (type == t) return true;
  return false;
}

class Parser : private LineReader {
 public:
  Parser(std::string_view text, ExpositionFormat format, const Limits& limits, std::size_t max_samples,
         const ExpositionSink& sink)
      : LineReader(format, limits), text_(text), max_samples_(max_samples), sink_(sink) {}

  Result<void> run() {
    if (looks_like_html(text_)) {
      return Error{ErrorCode::malformed, "line 1, column 1: this is an HTML page, not metrics",
                   "check the path: most programs serve their metrics under /metrics"};
    }
    const char* next = text_.data();
    const char* const text_end = next + text_.size();
    begin_ = p_ = end_ = next;
    bool newline = true;
    while (next < text_end) {
      const void* found = std::memchr(next, '\n', static_cast<std::size_t>(text_end - next));
      newline = found != nullptr;
      begin_ = p_ = next;
      end_ = newline ? static_cast<const char*>(found) : text_end;
      next = newline ? end_ + 1 : text_end;
      ++line_;
      if (!read_line()) return std::move(error_);
    }
    if (openmetrics_ && !at_eof_) {
      if (newline) {
        ++line_;
        begin_ = text_end;
      }
      fail(text_end, "the text ends without '# EOF': it was cut off");
      return std::move(error_);
    }
    return {};
  }

 private:
  bool read_line() {
    if (at_eof_) return fail(begin_, "text after '# EOF'");
    if (end_ > begin_ && end_[-1] == '\r') return fail(end_ - 1, "a CRLF line end: lines end with LF alone");
    skip_blanks();
    if (p_ == end_) return openmetrics_ ? fail(p_, "an empty line") : true;
    if (*p_ == '#') return read_comment();
    return read_sample();
  }

  bool read_comment() {
    const std::size_t fault = text_fault({p_, static_cast<std::size_t>(end_ - p_)});
    if (fault != std::string_view::npos)
      return fail(p_ + fault, p_[fault] == '\0' ? "a NUL byte" : "a byte that is not UTF-8");
    if (openmetrics_ && std::string_view(p_, static_cast<std::size_t>(end_ - p_)) == "# EOF") {
      at_eof_ = true;
      return true;
    }
    const char* const start = p_++;
    const bool spaced = p_ < end_ && is_blank(*p_);
    if (spaced) ++p_;
    skip_blanks();
    const std::string_view keyword = spaced ? word() : std::string_view{};
    const bool help = keyword == "HELP", type = keyword == "TYPE", unit = openmetrics_ && keyword == "UNIT";
    if (!help && !type && !unit) {
      if (openmetrics_) return fail(start, "a comment that is none of HELP, TYPE, UNIT and EOF");
      return true;
    }
    std::string_view family;
    if (!separator("a metric name") || !metric_name(family)) return false;
    if (help) return (p_ == end_ && !openmetrics_) || separator("the help text");
    if (!separator(type ? "a type" : "a unit")) return false;
    const std::string_view what = word();
    if (type && !is_family_type(what, openmetrics_))
      return fail(what.data(), fmt::format("{} is not a type of this format", excerpt(what)));
    if (unit && what.size() > limits_.label_value_bytes)
      return fail_limit(what.data(), "a unit longer", limits_.label_value_bytes, "label_value_bytes");
    skip_blanks();
    if (p_ != end_) return fail_expected("the line's end");
    if (!sink_.family) return true;
    if (family_.name != family) family_ = {std::string(family), {}, {}};
    (type ? family_.type : family_.unit) = what;
    sink_.family(family_);
    return true;
  }

  bool read_sample() {
    std::string_view metric;
    if (!metric_name(metric)) return false;
    labels_.clear();
    skip_blanks();
    const bool braces = p_ < end_ && *p_ == '{';
    if (braces) {
      if (!read_labels()) return false;
      skip_blanks();
    } else if (p_ == metric.data() + metric.size() && (p_ == end_ || *p_ != ' ')) {
      return fail_expected("a space or '{' after the metric name");
    }
    ExpositionSample sample;
    if (!build_labels(metric, sample.labels)) return false;
    if (openmetrics_ && !separator("the value")) return false;
    if (!read_value(sample.value)) return false;
    skip_blanks();
    if (openmetrics_ ? !read_openmetrics_tail(sample) : !read_prometheus_tail(sample)) return false;
    if (max_samples_ != 0 && samples_ == max_samples_)
      return fail_limit(begin_, "more samples", max_samples_, "scrape_samples");
    ++samples_;
    sink_.sample(std::move(sample));
    return true;
  }

  bool read_value(double& out) {
    const std::string_view digits = word();
    if (digits.empty()) return fail_expected("a value");
    const std::optional<double> value = parse_sample_value(digits);
    if (!value) return fail(digits.data(), fmt::format("{} is not a double", excerpt(digits)));
    out = *value;
    return true;
  }
  bool read_time(std::optional<Instant>& out) {
    const std::string_view digits = word();
    if (digits.empty()) return fail_expected("a timestamp");
    const std::optional<std::int64_t> ms =
        openmetrics_ ? parse_seconds_as_ms(digits) : parse_whole_ms(digits);
    if (!ms) {
      return fail(digits.data(), fmt::format("{} is not a timestamp in {}", excerpt(digits),
                                             openmetrics_ ? "seconds" : "whole milliseconds"));
    }
    out = Instant{*ms};
    return true;
  }

  bool read_prometheus_tail(ExpositionSample& sample) {
    if (p_ == end_) return true;
    if (*p_ == '#') return fail(p_, "an exemplar or a comment after a value: Prometheus' text has none");
    if (!read_time(sample.time)) return false;
    skip_blanks();
    return p_ == end_ || fail_expected("the line's end");
  }
  bool read_openmetrics_tail(ExpositionSample& sample) {
    if (p_ == end_) return true;
    if (!separator("a timestamp")) return false;
    if (p_ == end_ || *p_ != '#') {
      if (!read_time(sample.time)) return false;
      if (p_ == end_) return true;
      if (!separator("an exemplar")) return false;
    }
    return read_exemplar();
  }
  bool read_exemplar() {
    if (p_ == end_ || *p_ != '#') return fail_expected("'#' and an exemplar");
    ++p_;
    if (!separator("an exemplar's labels")) return false;
    if (p_ == end_ || *p_ != '{') return fail_expected("'{'");
    labels_.clear();
    double value = 0;
    std::optional<Instant> time;
    if (!read_labels() || !check_duplicates() || !separator("an exemplar's value") || !read_value(value))
      return false;
    if (p_ == end_) return true;
    if (!separator("an exemplar's timestamp") || !read_time(time)) return false;
    return p_ == end_ || fail_expected("the line's end");
  }

  const std::string_view text_;
  const std::size_t max_samples_;
  const ExpositionSink& sink_;
  std::size_t samples_ = 0;
  bool at_eof_ = false;
  ExpositionFamily family_;
};

}  // namespace

Result<void> parse_exposition(std::string_view text, ExpositionFormat format, const Limits& limits,
                              std::size_t max_samples, const ExpositionSink& sink) {
  return Parser(text, format, limits, max_samples, sink).run();
}

}  // namespace signalbox::formats
