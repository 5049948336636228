// Program texts and places in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace signalbox::source {

// A half-open range of bytes in one text.
struct Span {
  std::uint32_t file = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool operator==(const Span&) const = default;
};
// From the start of `a` to the end of `b`; both of one file.
inline Span join(Span a, Span b) {
  return {a.file, a.begin, b.end};
}

struct Position {
  std::uint32_t line = 1;    // from 1
  std::uint32_t column = 1;  // from 1, in Unicode code points
};

class SourceText {
 public:
  SourceText(std::string name, std::string text);
  const std::string& name() const { return name_; }
  std::string_view text() const { return text_; }
  Position position(std::uint32_t byte) const;
  std::string_view line(std::uint32_t number) const;  // without its newline; "" past the end

 private:
  std::string name_, text_;
  std::uint32_t points_before(std::uint32_t byte) const;

  std::vector<std::uint32_t> line_starts_;
  std::vector<std::uint32_t>
      points_;  // code points before every 256th byte: a line may be as long as the text
};

// The texts of one compilation; Span::file is an index.
class SourceSet {
 public:
  std::uint32_t add(std::string name, std::string text);
  const SourceText& operator[](std::uint32_t file) const { return texts_[file]; }
  std::size_t size() const { return texts_.size(); }
  std::string_view text(Span span) const;

 private:
  std::vector<SourceText> texts_;
};

// The byte offset of the first byte that is not UTF-8 (overlong forms and surrogates included), or npos.
std::size_t first_invalid_utf8(std::string_view text);

// The nearest of `candidates` to a misspelt `word`, or "" when none is near enough to be what was meant.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace signalbox::source
