#include "runtime/formats/text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/base/time.hpp"

namespace signalbox::formats {
namespace {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// `word` is lower case.
bool starts_with_word(std::string_view text, std::string_view word) {
  if (text.size() < word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i)
    if (lower(text[i]) != word[i]) return false;
  return true;
}
bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() && starts_with_word(text, word);
}

// from_chars says "out of range" for both directions. `digits` is a well-formed number without sign or
// prefix.
bool is_too_large(std::string_view digits, char exponent_mark, long long exponent_per_digit) {
  long long scale = 0;
  bool significant = false, fraction = false;
  std::size_t i = 0;
  for (; i < digits.size() && lower(digits[i]) != exponent_mark; ++i) {
    if (digits[i] == '.') {
      fraction = true;
      continue;
    }
    significant = significant || digits[i] != '0';
    if (significant && !fraction) scale += exponent_per_digit;
    if (!significant && fraction) scale -= exponent_per_digit;
  }
  std::string_view tail = digits.substr(std::min(i + 1, digits.size()));
  if (tail.starts_with('+')) tail.remove_prefix(1);
  long long exponent = 0;
  const auto [end, failed] = std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
  if (failed == std::errc::result_out_of_range) return tail[0] != '-';
  // No text is long enough to reach half of the range by its digits alone.
  if (exponent > std::numeric_limits<long long>::max() / 2) return true;
  if (exponent < std::numeric_limits<long long>::min() / 2) return false;
  return scale + exponent > 0;
}

std::optional<double> parse_magnitude(std::string_view digits, std::chars_format format) {
  const bool hex = format == std::chars_format::hex;
  double value = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value, format);
  if (end != digits.data() + digits.size() || failed == std::errc::invalid_argument) return std::nullopt;
  if (failed == std::errc::result_out_of_range) {
    if (is_too_large(digits, hex ? 'p' : 'e', hex ? 4 : 1)) return std::nullopt;
    return 0.0;
  }
  if (std::isinf(value)) return std::nullopt;
  return value;
}

bool is_hex_start(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == '.';
}

}  // namespace

std::size_t utf8_sequence(const char* p, const char* end) {
  const auto byte = [&](std::ptrdiff_t i) { return static_cast<unsigned char>(p[i]); };
  const auto follows = [&](std::ptrdiff_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) return end - p >= 2 && follows(1) ? 2 : 0;
  if (first < 0xf0) {
    if (end - p < 3 || !follows(1) || !follows(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return 3;
  }
  if (end - p < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return 4;
}

std::size_t text_fault(std::string_view text) {
  constexpr std::uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (const char* p = begin; p < end;) {
    if (end - p >= 8) {
      std::uint64_t eight;
      std::memcpy(&eight, p, 8);
      // A zero byte borrows into its top bit; bytes past ASCII have theirs set already.
      if ((((eight - ones) | eight) & tops) == 0) {
        p += 8;
        continue;
      }
    }
    const std::size_t n = *p == '\0' ? 0 : utf8_sequence(p, end);
    if (n == 0) return static_cast<std::size_t>(p - begin);
    p += n;
  }
  return std::string_view::npos;
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t shown = 40;
  std::string out = "'";
  for (char c : text.substr(0, shown)) {
    if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  out += text.size() > shown ? "…'" : "'";
  return out;
}

bool looks_like_html(std::string_view body) {
  if (body.starts_with("\xef\xbb\xbf")) body.remove_prefix(3);
  const std::size_t start = body.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || body[start] != '<') return false;
  body.remove_prefix(start);
  for (std::string_view opening : {"<!doctype", "<html", "<head", "<body", "<!--"})
    if (starts_with_word(body, opening)) return true;
  return false;
}

std::optional<double> parse_sample_value(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const bool negative = text[0] == '-';
  const bool has_sign = negative || text[0] == '+';
  const std::string_view rest = text.substr(has_sign ? 1 : 0);
  if (rest.empty()) return std::nullopt;

  std::optional<double> value;
  if (rest.size() > 2 && rest[0] == '0' && lower(rest[1]) == 'x') {
    const std::string_view digits = rest.substr(2);
    // Without an exponent strconv refuses it too.
    if (is_hex_start(digits[0]) && digits.find_first_of("pP") != std::string_view::npos)
      value = parse_magnitude(digits, std::chars_format::hex);
  } else if (is_digit(rest[0]) || rest[0] == '.') {
    value = parse_magnitude(rest, std::chars_format::general);
  } else if (is_word(rest, "inf") || is_word(rest, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else if (!has_sign && is_word(rest, "nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  }
  if (value && negative) *value = -*value;
  return value;
}

std::optional<std::int64_t> parse_seconds_as_ms(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::size_t at = negative || text.starts_with('+') ? 1 : 0;
  const std::size_t first = at;
  std::int64_t whole = 0, thousandths = 0;
  bool finer = false;  // than a millisecond
  for (; at < text.size() && is_digit(text[at]); ++at)
    if (whole <= max_instant_ms) whole = whole * 10 + (text[at] - '0');
  std::size_t digits = at - first;
  if (at < text.size() && text[at] == '.') {
    const std::size_t point = at++;
    std::int64_t place = 100;
    for (; at < text.size() && is_digit(text[at]); ++at, place /= 10) thousandths += place * (text[at] - '0');
    digits += at - point - 1;
    finer = at - point > 4;
  }
  if (at != text.size() || finer) {
    const std::optional<double> value = parse_sample_value(text);
    if (!value || !(std::fabs(*value * 1000) <= static_cast<double>(max_instant_ms))) return std::nullopt;
    return static_cast<std::int64_t>(*value * 1000);
  }
  if (digits == 0 || whole > max_instant_ms / 1000) return std::nullopt;
  const std::int64_t ms = whole * 1000 + thousandths;
  if (ms > max_instant_ms) return std::nullopt;
  return negative ? -ms : ms;
}

std::optional<std::int64_t> parse_whole_ms(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  std::int64_t ms = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (ms > max_instant_ms || ms < -max_instant_ms) return std::nullopt;
  return ms;
}

}  // namespace signalbox::formats
