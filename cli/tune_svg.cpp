#include "cli/tune_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/table.hpp"

namespace signalbox::cli {
namespace {

constexpr double left = 80, top = 50, width = 600, height = 340, line = 18;
constexpr std::size_t most_named = 24;

// Colours of the ground it stands on.
constexpr const char* style = R"(<style>
  svg { color-scheme: light dark; font: 13px system-ui, sans-serif; }
  .ground { fill: #ffffff; } .ink { fill: #1c2430; } .soft { fill: #5b6675; }
  .axis { stroke: #5b6675; } .grid { stroke: #d9dee5; }
  .front { fill: #0b66c3; stroke: #ffffff; } .other { fill: none; stroke: #8a94a3; stroke-width: 1.5; }
  .written { fill: none; stroke: #c2410c; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #14181f; } .ink { fill: #e6e9ee; } .soft { fill: #a3adba; }
    .axis { stroke: #a3adba; } .grid { stroke: #2c343f; }
    .front { fill: #5aa9f5; stroke: #14181f; } .other { stroke: #7d8897; }
    .written { stroke: #fb923c; }
  }
</style>
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      out += c;
  }
  return out;
}

// An axis from zero. Where a few values lie far beyond those on the front, it is one of square roots.
struct Axis {
  double end = 1;
  bool roots = false;
  std::vector<double> marks;
  double part(double value) const { return roots ? std::sqrt(value / end) : value / end; }
};
Axis axis_for(double most, double most_on_front, bool whole) {
  Axis out;
  const double least_step = whole ? 1 : 1e-3;
  const double rough = std::max(most / 5, least_step);
  const double ten = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * ten;
  for (const double times : {1.0, 2.0, 5.0})
    if (times * ten >= rough * 0.999) {
      step = times * ten;
      break;
    }
  out.end = step * std::max(1.0, std::ceil(most / step + 0.02));
  out.roots = most > 4 * most_on_front && most > 20 * least_step;
  if (!out.roots) {
    for (int i = 0; i * step <= out.end * 1.0001; ++i) out.marks.push_back(i * step);
    return out;
  }
  out.marks = {0};
  for (double power = std::pow(10, std::floor(std::log10(out.end)) - 2); power <= out.end; power *= 10)
    for (const double times : {1.0, 2.0, 5.0}) {
      const double mark = times * power;
      // Not so near that labels touch.
      if (mark >= least_step && mark <= out.end * 1.0001 &&
          out.part(mark) - out.part(out.marks.back()) > 0.05)
        out.marks.push_back(mark);
    }
  return out;
}

}  // namespace

std::string tune_svg(const std::string& title, const std::vector<Point>& points) {
  double most_false = 0, most_ms = 0, front_false = 0, front_ms = 0;
  std::vector<const Point*> front;
  for (const Point& p : points) {
    most_false = std::max(most_false, static_cast<double>(p.false_alarms));
    most_ms = std::max(most_ms, static_cast<double>(p.mean_unfound.ms));
    if (!p.front) continue;
    front.push_back(&p);
    front_false = std::max(front_false, static_cast<double>(p.false_alarms));
    front_ms = std::max(front_ms, static_cast<double>(p.mean_unfound.ms));
  }
  const bool hours = most_ms >= 3 * 3'600'000.0, in_minutes = most_ms >= 3 * 60'000.0;
  const double unit = hours ? 3'600'000 : in_minutes ? 60'000 : 1000;
  const char* const unit_name = hours ? "hours" : in_minutes ? "minutes" : "seconds";
  const Axis x = axis_for(most_false, front_false, true),
             y = axis_for(most_ms / unit, front_ms / unit, false);
  const auto px = [&](const Point& p) { return left + width * x.part(static_cast<double>(p.false_alarms)); };
  const auto py = [&](const Point& p) {
    return top + height * (1 - y.part(static_cast<double>(p.mean_unfound.ms) / unit));
  };
  const std::size_t named = std::min(front.size(), most_named);
  const double below = top + height + 70, total = below + line * (static_cast<double>(named) + 3);

  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "role=\"img\">\n<title>{2}</title>\n{3}<rect class=\"ground\" width=\"{0}\" height=\"{1}\"/>\n",
      left + width + 40, total, escaped(title), style);
  out += fmt::format("<text class=\"ink\" x=\"{}\" y=\"24\" font-weight=\"600\">{}</text>\n", left,
                     escaped(title));
  for (const double mark : y.marks) {
    const double at = top + height * (1 - y.part(mark));
    out += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text class=\"soft\" "
        "x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.6g}</text>\n",
        left, left + width, at, left - 8, at + 4, mark);
  }
  for (const double mark : x.marks) {
    const double at = left + width * x.part(mark);
    out += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/><text class=\"soft\" "
        "x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:.6g}</text>\n",
        at, top, top + height, top + height + 18, mark);
  }
  out += fmt::format(
      "<path class=\"axis\" fill=\"none\" d=\"M{0} {1}V{2}H{3}\"/>\n<text class=\"ink\" x=\"{4}\" y=\"{5}\" "
      "text-anchor=\"middle\">false alarms (count{8})</text>\n<text class=\"ink\" text-anchor=\"middle\" "
      "transform=\"translate(22 {6}) rotate(-90)\">mean time an incident is unfound ({7}{9})</text>\n",
      left, top, top + height, left + width, left + width / 2, top + height + 40, top + height / 2, unit_name,
      x.roots ? "; square roots" : "", y.roots ? "; square roots" : "");
  // What is on the front lies above the rest.
  for (const bool on_front : {false, true})
    for (const Point& p : points) {
      if (p.front != on_front) continue;
      out += fmt::format(
          "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}: {} false alarms, {} not "
          "found, "
          "unfound for {} in the mean</title></circle>\n",
          p.front ? "front" : "other", px(p), py(p), p.front ? 6 : 4, escaped(p.name), p.false_alarms,
          p.not_found, seconds_text(p.mean_unfound));
    }
  for (const Point& p : points)
    if (p.as_written)
      out += fmt::format(
          "<path class=\"written\" d=\"M{:.1f} {:.1f}l11 11l-11 11l-11 -11z\"><title>{}</title></path>\n",
          px(p), py(p) - 11, escaped(p.name));
  for (std::size_t i = 0; i < front.size(); ++i) {
    // One number for all that lie in one place.
    const auto same_place = [&](const Point* p) {
      return std::abs(px(*p) - px(*front[i])) < 1 && std::abs(py(*p) - py(*front[i])) < 1;
    };
    if (std::any_of(front.begin(), front.begin() + static_cast<std::ptrdiff_t>(i), same_place)) continue;
    out += fmt::format("<text class=\"ink\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", px(*front[i]) + 9,
                       py(*front[i]) - 8, i + 1);
  }
  double at = below;
  for (const char* words :
       {"Filled: no other is as good in false alarms, incidents found and time, and better in one.",
        "Diamond: as written."}) {
    out += fmt::format("<text class=\"soft\" x=\"{}\" y=\"{}\">{}</text>\n", left - 60, at, words);
    at += line;
  }
  for (std::size_t i = 0; i < named; ++i) {
    const Point& p = *front[i];
    out += fmt::format("<text class=\"ink\" x=\"{}\" y=\"{}\">{}  {}: {} false, {} not found, {}</text>\n",
                       left - 60, at, i + 1, escaped(p.name), p.false_alarms, p.not_found,
                       seconds_text(p.mean_unfound));
    at += line;
  }
  if (front.size() > named)
    out += fmt::format("<text class=\"soft\" x=\"{}\" y=\"{}\">and {} more</text>\n", left - 60, at,
                       front.size() - named);
  return out + "</svg>\n";
}

}  // namespace signalbox::cli
