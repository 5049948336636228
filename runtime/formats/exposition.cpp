#include "runtime/formats/exposition.hpp"

#include <fmt/format.h>

#include <cstring>

#include "runtime/formats/exposition_line.hpp"
#include "runtime/formats/plain_number.hpp"
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

}  // namespace

class ExpositionReader::Parser : private LineReader {
 public:
  Parser(ExpositionFormat format, const Limits& limits, std::size_t max_samples, SeriesTexts& texts,
         const ExpositionSink& sink)
      : LineReader(format, limits), max_samples_(max_samples), texts_(texts), sink_(sink) {
    texts_.use_for(static_cast<unsigned>(format));
  }

  std::size_t line() const { return line_; }
  bool saw_end() const { return saw_end_; }

  Result<void> feed(std::string_view piece) {
    if (!begun_) {
      if (!rest_.empty()) {
        rest_ += piece;
        piece = rest_;
      }
      if (!begins(piece, false)) {
        if (rest_.empty()) rest_ = piece;
        return waits();
      }
      if (no_text_) return *no_text_;
      if (!rest_.empty()) {
        const std::string beginning = std::move(rest_);
        rest_.clear();
        return lines_of(beginning);
      }
    }
    return lines_of(piece);
  }

  Result<void> finish() {
    if (!begun_) {
      const std::string beginning = std::move(rest_);
      rest_.clear();
      begins(beginning, true);
      if (no_text_) return *no_text_;
      if (Result<void> read = lines_of(beginning); !read) return read;
    }
    if (!rest_.empty()) {
      begin_ = p_ = rest_.data();
      end_ = begin_ + rest_.size();
      ++line_;
      if (!read_line()) return std::move(error_);
    }
    if (openmetrics_ && !at_eof_) {
      if (rest_.empty()) {
        ++line_;
        begin_ = end_ = rest_.data();
      }
      fail(end_, "the text ends without '# EOF': it was cut off");
      return std::move(error_);
    }
    return {};
  }

 private:
  // Whether `text` is enough to say how the whole begins.
  bool begins(std::string_view text, bool all) {
    constexpr std::size_t longest_opening = 9;  // "<!doctype"
    if (!all) {
      std::string_view rest = text;
      if (rest.size() < 3) return false;
      if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
      const std::size_t start = rest.find_first_not_of(" \t\r\n");
      if (start == std::string_view::npos) return false;
      if (rest[start] == '<' && rest.size() - start < longest_opening) return false;
    }
    begun_ = true;
    no_text_ = what_else(text);
    return true;
  }
  // What a text is that begins as no metrics do.
  static std::optional<Error> what_else(std::string_view text) {
    const auto told = [](std::string_view what, std::string_view way_out) {
      return Error{ErrorCode::malformed, fmt::format("line 1, column 1: {}", what), std::string(way_out)};
    };
    if (looks_like_html(text))
      return told("this is an HTML page, not metrics",
                  "check the path: most programs serve their metrics under /metrics");
    if (text.starts_with("\x1f\x8b")) return told("this is packed by gzip", "unpack it first: gzip -d");
    if (text.starts_with("\xef\xbb\xbf"))
      return told("a byte order mark, which metrics do not begin with", "save it as UTF-8 without one");
    return std::nullopt;
  }

  // For the end of the line that is in rest_, unless it is too long.
  Result<void> waits() {
    if (rest_.size() <= limits_.text_line_bytes) return {};
    return Error{
        ErrorCode::limit_exceeded,
        fmt::format("line {} has more than {} bytes (text_line_bytes)", line_ + 1, limits_.text_line_bytes),
        "the text format has a sample a line: this is something else"};
  }

  // Whole lines are read where they stand; the beginning of one waits for its end.
  Result<void> lines_of(std::string_view piece) {
    if (!rest_.empty()) {
      const std::size_t newline = piece.find('\n');
      rest_ += piece.substr(0, newline == std::string_view::npos ? newline : newline + 1);
      if (newline == std::string_view::npos) return waits();
      piece.remove_prefix(newline + 1);
      if (!read_lines(rest_)) return std::move(error_);
      rest_.clear();
    }
    const std::size_t last = piece.rfind('\n');
    if (last == std::string_view::npos) {
      rest_ = piece;
      return waits();
    }
    if (!read_lines(piece.substr(0, last + 1))) return std::move(error_);
    rest_ = piece.substr(last + 1);
    return {};
  }

  // `text` ends with a newline.
  bool read_lines(std::string_view text) {
    const char* next = text.data();
    const char* const text_end = next + text.size();
    while (next < text_end) {
      next = openmetrics_ ? read_known<true>(next, text_end) : read_known<false>(next, text_end);
      if (next == text_end) break;
      begin_ = p_ = next;
      end_ = static_cast<const char*>(std::memchr(next, '\n', static_cast<std::size_t>(text_end - next)));
      next = end_ + 1;
      ++line_;
      if (!read_line()) return false;
    }
    return true;
  }

  // Lines of the series that stood there the last time, with plain numbers. Answers where the first other
  // line begins.
  template <bool OpenMetrics>
  const char* read_known(const char* next, const char* const text_end) {
    if (at_eof_) return next;
    for (;;) {
      if (max_samples_ != 0 && samples_ == max_samples_) return next;
      const SeriesTexts::Known* const known = texts_.expected(previous_);
      if (known == nullptr) return next;
      const std::size_t size = known->text.size();
      if (static_cast<std::size_t>(text_end - next) <= size + plain_reach) return next;
      if (next[size] != ' ' || std::memcmp(next, known->text.data(), size) != 0) return next;
      const char* p = next + size + 1;
      double value = 0;
      if (!plain_value(p, value)) return next;
      std::optional<Instant> time;
      if (*p == ' ') {
        std::int64_t ms = 0;
        if (!(OpenMetrics ? plain_seconds(++p, ms) : plain_ms(++p, ms))) return next;
        time = Instant{ms};
      }
      if (*p != '\n') return next;
      next = p + 1;
      ++line_;
      ++samples_;
      previous_ = texts_.index_of(*known);
      sink_.sample(known->series, value, time);
    }
  }

  bool read_line() {
    if (at_eof_) return fail(begin_, "text after '# EOF'");
    if (end_ > begin_ && end_[-1] == '\r') {
      fail(end_ - 1, "a CRLF line end: lines end with LF alone");
      error_.hint = "take the carriage returns out: tr -d '\\r'";
      return false;
    }
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
    saw_end_ =
        saw_end_ || std::string_view(begin_, static_cast<std::size_t>(end_ - begin_)).starts_with("# EOF");
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
    const char* const text_begin = p_;
    std::string_view metric;
    if (!metric_name(metric)) return false;
    labels_.clear();
    skip_blanks();
    const bool braces = p_ < end_ && *p_ == '{';
    if (!braces && p_ == metric.data() + metric.size() && (p_ == end_ || *p_ != ' '))
      return fail_expected("a space or '{' after the metric name");
    if (braces && !read_labels()) return false;
    const std::string_view text(text_begin,
                                braces ? static_cast<std::size_t>(p_ - text_begin) : metric.size());
    SeriesTexts::Index known = texts_.find(text);
    Labels labels;
    if (known == SeriesTexts::none && !build_labels(metric, labels)) return false;
    skip_blanks();
    double value = 0;
    std::optional<Instant> time;
    if (openmetrics_ && !separator("the value")) return false;
    if (!read_value(value)) return false;
    skip_blanks();
    if (openmetrics_ ? !read_openmetrics_tail(time) : !read_prometheus_tail(time)) return false;
    if (max_samples_ != 0 && samples_ == max_samples_)
      return fail_limit(begin_, "more samples", max_samples_, "scrape_samples");
    ++samples_;
    std::uint32_t series = 0;
    if (known == SeriesTexts::none) {
      series = sink_.series(std::move(labels));
      known = texts_.add(text, series);
    } else {
      series = texts_[known].series;
    }
    if (known != SeriesTexts::none) {
      texts_.follows(previous_, known);
      previous_ = known;
    }
    sink_.sample(series, value, time);
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

  bool read_prometheus_tail(std::optional<Instant>& time) {
    if (p_ == end_) return true;
    if (*p_ == '#') return fail(p_, "an exemplar or a comment after a value: Prometheus' text has none");
    if (!read_time(time)) return false;
    skip_blanks();
    return p_ == end_ || fail_expected("the line's end");
  }
  bool read_openmetrics_tail(std::optional<Instant>& time) {
    if (p_ == end_) return true;
    if (!separator("a timestamp")) return false;
    if (p_ == end_ || *p_ != '#') {
      if (!read_time(time)) return false;
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

  const std::size_t max_samples_;
  SeriesTexts& texts_;
  const ExpositionSink& sink_;
  std::size_t samples_ = 0;
  SeriesTexts::Index previous_ = SeriesTexts::none;  // what the line before named
  bool begun_ = false;
  std::optional<Error> no_text_;
  bool at_eof_ = false, saw_end_ = false;
  std::string
      rest_;  // of what was fed: the beginning of a line, or of a text that does not say yet what it is
  ExpositionFamily family_;
};

ExpositionReader::ExpositionReader(ExpositionFormat format, const Limits& limits, std::size_t max_samples,
                                   SeriesTexts& texts, const ExpositionSink& sink)
    : parser_(std::make_unique<Parser>(format, limits, max_samples, texts, sink)) {}
ExpositionReader::~ExpositionReader() = default;
Result<void> ExpositionReader::feed(std::string_view piece) {
  return parser_->feed(piece);
}
Result<void> ExpositionReader::finish() {
  return parser_->finish();
}
std::size_t ExpositionReader::line() const {
  return parser_->line();
}
bool ExpositionReader::saw_end() const {
  return parser_->saw_end();
}

Result<void> parse_exposition(std::string_view text, ExpositionFormat format, const Limits& limits,
                              std::size_t max_samples, SeriesTexts& texts, const ExpositionSink& sink) {
  ExpositionReader reader(format, limits, max_samples, texts, sink);
  if (Result<void> fed = reader.feed(text); !fed) return fed;
  return reader.finish();
}

}  // namespace signalbox::formats
