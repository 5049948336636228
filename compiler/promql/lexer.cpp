#include "compiler/promql/lexer.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace signalbox::promql_text {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool starts_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool in_word(char c) {
  return starts_word(c) || is_digit(c);
}

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr Unit units[] = {{"ms", 1},         {"s", 1000},        {"m", 60'000},        {"h", 3'600'000},
                          {"d", 86'400'000}, {"w", 604'800'000}, {"y", 31'536'000'000}};

// 1h30m: whole numbers with units, from the longest down, each once.
std::optional<Duration> duration_of(std::string_view text) {
  std::int64_t total = 0, last = std::numeric_limits<std::int64_t>::max();
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || count < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(at - text.data()));
    std::size_t length = 0;
    while (length < text.size() && !is_digit(text[length])) ++length;
    std::int64_t ms = 0;
    for (const Unit& unit : units)
      if (unit.name == text.substr(0, length)) ms = unit.ms;
    // Prometheus counts nanoseconds in 64 bits: 292 years.
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 1'000'000;
    if (ms == 0 || ms >= last || count > most / ms) return std::nullopt;
    last = ms;
    total += count * ms;
    if (total > most) return std::nullopt;
    text.remove_prefix(length);
  }
  return Duration{total};
}

void append_utf8(std::string& out, unsigned long point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::variant<std::vector<Token>, Fault> run() {
    std::vector<Token> out;
    for (;;) {
      skip_space();
      Token token;
      token.begin = at_;
      if (at_ < text_.size()) {
        if (auto fault = next(token)) return *std::move(fault);
      }
      token.end = at_;
      out.push_back(std::move(token));
      if (out.back().kind == Token::Kind::end) return out;
    }
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void skip_space() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
        if (at_ == text_.size()) return;
      }
      if (std::string_view(" \t\r\n").find(text_[at_]) == std::string_view::npos) return;
    }
  }

  Fault bad(std::size_t begin, std::string message, std::string hint = {}) const {
    const std::size_t end = std::min(std::max(at_, begin + 1), std::max(text_.size(), begin));
    return {begin, end, std::move(message), std::move(hint)};
  }

  std::optional<Fault> next(Token& token) {
    const char c = peek();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number(token);
    if (starts_word(c) && !(c == ':' && in_range_)) {
      while (in_word(peek())) ++at_;
      token.kind = Token::Kind::word;
      token.text = text_.substr(token.begin, at_ - token.begin);
      return std::nullopt;
    }
    if (c == '"' || c == '\'' || c == '`') return string(token);
    static constexpr std::string_view signs[] = {"==", "!=", "<=", ">=", "=~", "!~", "+", "-",
                                                 "*",  "/",  "%",  "^",  "<",  ">",  "=", "(",
                                                 ")",  "{",  "}",  "[",  "]",  ",",  ":", "@"};
    for (const std::string_view sign : signs) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      at_ += sign.size();
      if (sign == "[" || sign == "]") in_range_ = sign == "[";
      token.kind = Token::Kind::sign;
      token.text = sign;
      return std::nullopt;
    }
    std::size_t length = 1;
    while ((static_cast<unsigned char>(peek(length)) & 0xc0) == 0x80) ++length;
    const std::string shown(text_.substr(at_, length));
    at_ += length;
    return bad(token.begin, fmt::format("`{}` has no meaning in PromQL", shown),
               shown == "$" ? "a variable is Grafana's to fill in: write what it stands for, as 5m for "
                              "$__rate_interval"
                            : "");
  }

  std::optional<Fault> number(Token& token) {
    const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
    const auto exponent_sign = [&] {
      const char before = text_[at_ - 1];
      return !hex && (peek() == '+' || peek() == '-') && (before == 'e' || before == 'E') &&
             is_digit(peek(1));
    };
    while (in_word(peek()) || peek() == '.' || (at_ > token.begin && exponent_sign())) {
      if (peek() == ':') break;
      ++at_;
    }
    const std::string_view raw = text_.substr(token.begin, at_ - token.begin);
    token.text = raw;
    if (const auto d = duration_of(raw)) {
      token.kind = Token::Kind::duration;
      token.duration = *d;
      return std::nullopt;
    }
    token.kind = Token::Kind::number;
    std::string digits;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const bool between = raw[i] == '_' && i > 0 && i + 1 < raw.size() && in_word(raw[i - 1]) &&
                           raw[i - 1] != '_' && in_word(raw[i + 1]);
      if (!between) digits += raw[i];
    }
    const char* first = digits.data() + (hex ? 2 : 0);
    const char* last = digits.data() + digits.size();
    if (hex) {
      std::uint64_t whole = 0;
      const auto [end, error] = std::from_chars(first, last, whole, 16);
      token.number = static_cast<double>(whole);
      const bool is_integer = whole <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      if (error == std::errc{} && end == last && is_integer) return std::nullopt;
    } else {
      const auto [end, error] = std::from_chars(first, last, token.number);
      if (error == std::errc{} && end == last) {
        const bool octal =
            digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of("01234567") == digits.npos;
        if (!octal) return std::nullopt;
        std::uint64_t whole = 0;
        const auto read = std::from_chars(digits.data(), last, whole, 8);
        // One that is too long for an integer stays a decimal number.
        if (read.ec == std::errc{}) token.number = static_cast<double>(whole);
        return std::nullopt;
      }
      if (error == std::errc::result_out_of_range && end == last) {
        token.number = std::strtod(digits.c_str(), nullptr);
        if (std::isfinite(token.number)) return std::nullopt;  // next to nothing
        return bad(token.begin, fmt::format("`{}` is larger than any number", raw), "write Inf");
      }
    }
    return bad(token.begin, fmt::format("`{}` is neither a number nor a duration", raw),
               "a duration has whole numbers and the units y w d h m s ms, from the longest down: 1h30m");
  }

  std::optional<unsigned long> digits(std::size_t count, int base) {
    unsigned long value = 0;
    if (at_ + count > text_.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + count, value, base);
    if (error != std::errc{} || end != text_.data() + at_ + count) return std::nullopt;
    at_ += count;
    return value;
  }

  std::optional<Fault> escape(Token& token, char quote) {
    const std::size_t begin = at_ - 1;
    const char c = peek();
    static constexpr std::string_view names = "abfnrtv\\", meanings = "\a\b\f\n\r\t\v\\";
    if (const std::size_t simple = names.find(c); c != '\0' && simple != std::string_view::npos) {
      token.text += meanings[simple];
      ++at_;
      return std::nullopt;
    }
    if (c == quote) {
      token.text += c;
      ++at_;
      return std::nullopt;
    }
    std::optional<unsigned long> value;
    if (c >= '0' && c <= '7') {
      value = digits(3, 8);
      if (value && *value <= 0xff) {
        token.text += static_cast<char>(*value);
        return std::nullopt;
      }
    } else if (c == 'x') {
      ++at_;
      value = digits(2, 16);
      if (value) {
        token.text += static_cast<char>(*value);
        return std::nullopt;
      }
    } else if (c == 'u' || c == 'U') {
      ++at_;
      value = digits(c == 'u' ? 4 : 8, 16);
      if (value && *value <= 0x10ffff && (*value < 0xd800 || *value > 0xdfff)) {
        append_utf8(token.text, *value);
        return std::nullopt;
      }
    }
    ++at_;
    return bad(begin, "a `\\` that starts no known escape",
               "write `\\\\` for a backslash, or use `…` around the text");
  }

  std::optional<Fault> string(Token& token) {
    const char quote = peek();
    ++at_;
    token.kind = Token::Kind::text;
    while (at_ < text_.size() && text_[at_] != quote) {
      const char c = text_[at_];
      if (c == '\n' && quote != '`') break;
      ++at_;
      if (c == '\\' && quote != '`') {
        if (auto fault = escape(token, quote)) return fault;
      } else {
        token.text += c;
      }
    }
    if (peek() != quote || at_ == text_.size())
      return bad(token.begin, "this text does not end", "close its quote");
    ++at_;
    return std::nullopt;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool in_range_ = false;  // between [ and ], where a colon stands alone
};

}  // namespace

std::variant<std::vector<Token>, Fault> tokens(std::string_view text) {
  return Lexer(text).run();
}

}  // namespace signalbox::promql_text
