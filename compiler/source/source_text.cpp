#include "compiler/source/source_text.hpp"

#include <algorithm>

namespace signalbox::source {

SourceText::SourceText(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
  line_starts_.push_back(0);
  std::uint32_t points = 0;
  for (std::uint32_t i = 0; i < text_.size(); ++i) {
    if (i % 256 == 0) points_.push_back(points);
    if ((static_cast<unsigned char>(text_[i]) & 0xc0) != 0x80) ++points;
    if (text_[i] == '\n') line_starts_.push_back(i + 1);
  }
}

std::uint32_t SourceText::points_before(std::uint32_t byte) const {
  if (points_.empty()) return 0;
  const std::uint32_t mark = std::min(byte / 256, static_cast<std::uint32_t>(points_.size() - 1));
  std::uint32_t points = points_[mark];
  for (std::uint32_t i = mark * 256; i < byte; ++i)
    if ((static_cast<unsigned char>(text_[i]) & 0xc0) != 0x80) ++points;
  return points;
}

Position SourceText::position(std::uint32_t byte) const {
  byte = std::min<std::uint32_t>(byte, static_cast<std::uint32_t>(text_.size()));
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), byte);
  const auto line = static_cast<std::uint32_t>(after - line_starts_.begin());
  return {line, points_before(byte) - points_before(line_starts_[line - 1]) + 1};
}

std::string_view SourceText::line(std::uint32_t number) const {
  if (number == 0 || number > line_starts_.size()) return {};
  const std::uint32_t begin = line_starts_[number - 1];
  std::uint32_t end =
      number < line_starts_.size() ? line_starts_[number] - 1 : static_cast<std::uint32_t>(text_.size());
  if (end > begin && text_[end - 1] == '\r') --end;
  return std::string_view(text_).substr(begin, end - begin);
}

std::uint32_t SourceSet::add(std::string name, std::string text) {
  texts_.emplace_back(std::move(name), std::move(text));
  return static_cast<std::uint32_t>(texts_.size() - 1);
}

std::string_view SourceSet::text(Span span) const {
  if (span.file >= texts_.size()) return {};
  return texts_[span.file].text().substr(span.begin, span.end - span.begin);
}

std::size_t first_invalid_utf8(std::string_view s) {
  std::size_t i = 0;
  while (i < s.size()) {
    const auto c = static_cast<unsigned char>(s[i]);
    std::size_t more = 0;
    std::uint32_t code = 0, least = 0;
    if (c < 0x80) {
      ++i;
      continue;
    }
    if (c >= 0xc2 && c <= 0xdf)
      more = 1, code = c & 0x1f, least = 0x80;
    else if (c >= 0xe0 && c <= 0xef)
      more = 2, code = c & 0x0f, least = 0x800;
    else if (c >= 0xf0 && c <= 0xf4)
      more = 3, code = c & 0x07, least = 0x10000;
    else
      return i;
    if (i + more >= s.size()) return i;
    for (std::size_t k = 1; k <= more; ++k) {
      const auto d = static_cast<unsigned char>(s[i + k]);
      if ((d & 0xc0) != 0x80) return i;
      code = code << 6 | (d & 0x3f);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return i;
    i += more + 1;
  }
  return std::string_view::npos;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // Damerau-Levenshtein, transpositions counting one; rows of the usual table.
    const std::size_t n = word.size(), m = candidate.size();
    if (n > 64 || m > 64 || (n > m ? n - m : m - n) >= best_distance) continue;
    std::vector<std::vector<std::size_t>> d(n + 1, std::vector<std::size_t>(m + 1));
    for (std::size_t i = 0; i <= n; ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= m; ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= n; ++i) {
      for (std::size_t j = 1; j <= m; ++j) {
        const std::size_t change = word[i - 1] == candidate[j - 1] ? 0 : 1;
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
        if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1])
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
    if (d[n][m] < best_distance) {
      best_distance = d[n][m];
      best = candidate;
    }
  }
  return best;
}

}  // namespace signalbox::source
