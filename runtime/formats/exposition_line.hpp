// A cursor over one line of an exposition text, for exposition.cpp alone: what both formats write alike, and
// the place of a fault. In a header since every sample goes through it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "runtime/formats/text.hpp"

namespace signalbox::formats {

enum CharClass : unsigned char {
  metric_start = 1,
  metric_char = 2,
  label_start = 4,
  label_char = 8,
  plain = 16,  // stands for itself in a label value
};

inline constexpr std::array<unsigned char, 256> char_classes = [] {
  std::array<unsigned char, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    unsigned bits = 0;
    if (letter) bits |= metric_start | metric_char | label_start | label_char;
    if (digit) bits |= metric_char | label_char;
    if (c == ':') bits |= metric_start | metric_char;
    if (c != 0 && c < 0x80 && c != '"' && c != '\\') bits |= plain;
    table[c] = static_cast<unsigned char>(bits);
  }
  return table;
}();

inline bool is(char c, CharClass what) {
  return (char_classes[static_cast<unsigned char>(c)] & what) != 0;
}
inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Views into the text until the line is known to be good.
struct RawLabel {
  std::string_view name;
  std::string_view value;
  bool escaped = false;
};

inline std::string unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\\' && i + 1 < raw.size()) {
      const char next = raw[i + 1];
      if (next == 'n' || next == '\\' || next == '"') {
        out += next == 'n' ? '\n' : next;
        ++i;
        continue;
      }
    }
    out += raw[i];
  }
  return out;
}

// Readers answer false after a fault; error_ then says what and where.
class LineReader {
 protected:
  LineReader(ExpositionFormat format, const Limits& limits)
      : openmetrics_(format == ExpositionFormat::openmetrics), limits_(limits) {}

  bool fail(const char* where, std::string_view what, ErrorCode code = ErrorCode::malformed) {
    error_ = Error{code, fmt::format("line {}, column {}: {}", line_, where - begin_ + 1, what)};
    return false;
  }
  bool fail_limit(const char* where, std::string_view what, std::size_t bound, std::string_view field) {
    return fail(where, fmt::format("{} than {} ({})", what, bound, field), ErrorCode::limit_exceeded);
  }
  bool fail_expected(std::string_view what) {
    if (p_ == end_) return fail(p_, fmt::format("the line ends where {} is expected", what));
    if (*p_ == '\0') return fail(p_, "a NUL byte");
    const std::size_t n = std::max<std::size_t>(utf8_sequence(p_, end_), 1);
    return fail(p_, fmt::format("{} is expected, not {}", what, excerpt({p_, n})));
  }

  void skip_blanks() {
    if (openmetrics_) return;
    while (p_ < end_ && is_blank(*p_)) ++p_;
  }
  // Between two words: one space in OpenMetrics, any blanks in Prometheus' text.
  bool separator(std::string_view before_what) {
    if (p_ == end_ || !(openmetrics_ ? *p_ == ' ' : is_blank(*p_)))
      return fail_expected(fmt::format("a space before {}", before_what));
    ++p_;
    skip_blanks();
    return true;
  }
  std::string_view word() {
    const char* const start = p_;
    while (p_ < end_ && !is_blank(*p_)) ++p_;
    return {start, static_cast<std::size_t>(p_ - start)};
  }
  template <CharClass First, CharClass Rest>
  std::string_view name() {
    const char* const start = p_;
    if (p_ < end_ && is(*p_, First)) {
      ++p_;
      while (p_ < end_ && is(*p_, Rest)) ++p_;
    }
    return {start, static_cast<std::size_t>(p_ - start)};
  }
  bool metric_name(std::string_view& out) {
    out = name<metric_start, metric_char>();
    if (out.empty()) return fail_expected("a metric name");
    if (out.size() > limits_.label_value_bytes)
      return fail_limit(out.data(), "a metric name longer", limits_.label_value_bytes, "label_value_bytes");
    return true;
  }

  bool read_labels() {
    ++p_;
    ascending_ = true;
    for (;;) {
      skip_blanks();
      if (p_ < end_ && *p_ == '}') break;
      if (labels_.size() == limits_.labels_per_series)
        return fail_limit(p_, "more labels", limits_.labels_per_series, "labels_per_series");
      RawLabel label;
      label.name = name<label_start, label_char>();
      if (label.name.empty()) return fail_expected(labels_.empty() ? "a label name or '}'" : "a label name");
      if (label.name.size() > limits_.label_name_bytes)
        return fail_limit(label.name.data(), "a label name longer", limits_.label_name_bytes,
                          "label_name_bytes");
      skip_blanks();
      if (p_ == end_ || *p_ != '=') return fail_expected("'='");
      ++p_;
      skip_blanks();
      if (p_ == end_ || *p_ != '"') return fail_expected("'\"'");
      ++p_;
      if (!read_label_value(label)) return false;
      if (!labels_.empty() && label.name <= labels_.back().name) ascending_ = false;
      labels_.push_back(label);
      skip_blanks();
      if (p_ < end_ && *p_ == ',') {
        ++p_;
        if (openmetrics_ && p_ < end_ && *p_ == '}') return fail_expected("a label name");
        continue;
      }
      if (p_ < end_ && *p_ == '}') break;
      return fail_expected("',' or '}'");
    }
    ++p_;
    return true;
  }

  bool read_label_value(RawLabel& label) {
    const char* const start = p_;
    for (;;) {
      while (p_ < end_ && is(*p_, plain)) ++p_;
      if (p_ == end_) return fail(p_, "the line ends inside a label value");
      if (*p_ == '"') break;
      if (*p_ == '\0') return fail(p_, "a NUL byte");
      if (*p_ == '\\') {
        if (p_ + 1 == end_) return fail(p_, "the line ends inside a label value");
        const char next = p_[1];
        const bool known = next == '\\' || next == '"' || next == 'n';
        // OpenMetrics' grammar lets a backslash stand before any other character and mean itself.
        if (!known && !openmetrics_) return fail(p_, "an escape that is none of \\\\, \\\" and \\n");
        p_ += known ? 2 : 1;
        label.escaped = true;
        continue;
      }
      const std::size_t n = utf8_sequence(p_, end_);
      if (n == 0) return fail(p_, "a byte that is not UTF-8");
      p_ += n;
    }
    label.value = {start, static_cast<std::size_t>(p_ - start)};
    ++p_;
    if (label.value.size() > limits_.label_value_bytes)
      return fail_limit(start, "a label value longer", limits_.label_value_bytes, "label_value_bytes");
    return true;
  }

  // Leaves the labels sorted.
  bool check_duplicates() {
    if (ascending_) return true;
    std::sort(labels_.begin(), labels_.end(), [](const RawLabel& a, const RawLabel& b) {
      return a.name != b.name ? a.name < b.name : a.name.data() < b.name.data();
    });
    const auto twice =
        std::adjacent_find(labels_.begin(), labels_.end(),
                           [](const RawLabel& a, const RawLabel& b) { return a.name == b.name; });
    if (twice == labels_.end()) return true;
    const std::string_view second = std::next(twice)->name;
    return fail(second.data(), fmt::format("label {} stands here a second time", excerpt(second)));
  }

  bool build_labels(std::string_view metric, Labels& out) {
    if (!labels_.empty() && !check_duplicates()) return false;
    std::vector<Labels::Pair> pairs;
    pairs.reserve(labels_.size() + 1);
    bool named = false;
    for (const RawLabel& label : labels_) {
      if (!named && label.name >= metric_name_label) {
        if (label.name == metric_name_label)
          return fail(label.name.data(), "label '__name__' beside the metric's name");
        pairs.emplace_back(metric_name_label, metric);
        named = true;
      }
      if (label.escaped)
        pairs.emplace_back(label.name, unescape(label.value));
      else
        pairs.emplace_back(label.name, label.value);
    }
    if (!named) pairs.emplace_back(metric_name_label, metric);
    out = Labels(std::move(pairs));
    return true;
  }

  const bool openmetrics_;
  const Limits& limits_;
  const char* begin_ = nullptr;  // of the line
  const char* p_ = nullptr;
  const char* end_ = nullptr;  // of the line, without its newline
  std::size_t line_ = 0;
  bool ascending_ = true;  // the labels' names, strictly
  std::vector<RawLabel> labels_;
  Error error_;
};

}  // namespace signalbox::formats
