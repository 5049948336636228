// What the parsers of this room share: bytes that must be text, and numbers as Prometheus spells them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace signalbox::formats {

// Instants outside ±9e15 ms (the year 287,000) are refused: sums of them must stay inside 64 bits.
inline constexpr std::int64_t max_instant_ms = 9'000'000'000'000'000;

// Length of the UTF-8 sequence at `p` (1 to 4; `p < end`), 0 when it is not one: overlong forms, surrogates
// and code points past U+10FFFF are none.
std::size_t utf8_sequence(const char* p, const char* end);
// Offset of the first byte that is NUL or not UTF-8; npos when all is text.
std::size_t text_fault(std::string_view text);
// "'text'" for a message: at most 40 bytes of it, what is not printable ASCII as \xNN.
std::string excerpt(std::string_view text);
// Whether a body begins as an HTML page does, as login pages and wrong paths answer.
bool looks_like_html(std::string_view body);

// A sample's value: what Go's strconv reads, without digit separators. Nothing for anything else, and for
// numbers beyond the largest double; what is too small for a double is zero.
std::optional<double> parse_sample_value(std::string_view text);
// Decimal seconds to whole milliseconds, exactly. What is finer, or has an exponent, is cut as a Prometheus
// cuts it: the double times a thousand.
std::optional<std::int64_t> parse_seconds_as_ms(std::string_view text);
// Whole milliseconds with an optional sign.
std::optional<std::int64_t> parse_whole_ms(std::string_view text);

}  // namespace signalbox::formats
