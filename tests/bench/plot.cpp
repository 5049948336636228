#include "tests/bench/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "tests/bench/measure.hpp"

namespace signalbox::bench {
namespace {

constexpr double width = 680, height = 380;
constexpr double left = 76, right = 24, top = 64, bottom = 56;

// 12000 → 12,000; as many digits as tell neighbours apart.
std::string number(double value) {
  if (value != 0 && std::abs(value) < 100) return fmt::format("{:.3g}", value);
  std::string digits = fmt::format("{:.0f}", value);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

struct Scale {
  bool logarithmic;
  double low, high;     // of the axis
  double begins, ends;  // on the page
  std::vector<double> ticks;

  double at(double value) const {
    const auto of = [&](double v) { return logarithmic ? std::log10(v) : v; };
    return begins + (ends - begins) * (of(value) - of(low)) / (of(high) - of(low));
  }
};

Scale logarithmic_scale(double low, double high, double begins, double ends) {
  Scale scale{true, low, high, begins, ends, {}};
  const bool few = high / low < 30;
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high; decade *= 10)
    for (const double part : {1.0, 2.0, 5.0})
      if ((part == 1 || few) && decade * part >= low * 0.999 && decade * part <= high * 1.001)
        scale.ticks.push_back(decade * part);
  return scale;
}
Scale linear_scale(double high, double begins, double ends) {
  const double rough = high / 5, decade = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * decade;
  for (const double part : {5.0, 2.0, 1.0})
    if (part * decade >= rough) step = part * decade;
  Scale scale{false, 0, step * std::ceil(high / step), begins, ends, {}};
  for (int i = 0; i * step <= scale.high * 1.0001; ++i) scale.ticks.push_back(i * step);
  return scale;
}

struct Extent {
  double low = INFINITY, high = -INFINITY;
  void add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
};
Scale scale_of(const PlotAxis& axis, const Extent& e, double begins, double ends, double room) {
  if (!axis.logarithmic) return linear_scale(e.high, begins, ends);
  return logarithmic_scale(e.low / room, e.high * room, begins, ends);
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

// Series differ in form too, for those who do not see the colours.
std::string mark(std::size_t series, double x, double y) {
  switch (series % 3) {
    case 0:
      return fmt::format("<circle class=\"s{} m\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n", series, x, y);
    case 1:
      return fmt::format("<rect class=\"s{} m\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"7.5\" height=\"7.5\"/>\n",
                         series, x - 3.75, y - 3.75);
    default:
      return fmt::format("<path class=\"s{} m\" d=\"M{:.1f} {:.1f}l5 8.5h-10z\"/>\n", series, x, y - 5.5);
  }
}

constexpr const char* style = R"(<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.back { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.bar { stroke-width: 1.5 }
.s0 { stroke: #0969da } .s0.m { fill: #0969da }
.s1 { stroke: #bc4c00 } .s1.m { fill: #bc4c00 }
.s2 { stroke: #1a7f37 } .s2.m { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .back { fill: #151b23 }
  .grid { stroke: #3d444d }
  .s0 { stroke: #58a6ff } .s0.m { fill: #58a6ff }
  .s1 { stroke: #f0883e } .s1.m { fill: #f0883e }
  .s2 { stroke: #3fb950 } .s2.m { fill: #3fb950 }
}
</style>
)";

}  // namespace

PlotPoint point(double x, const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {x, median(values), *least, *most};
}

std::string to_svg(const Plot& plot) {
  Extent xs, ys;
  for (const PlotSeries& series : plot.series)
    for (const PlotPoint& p : series.points) {
      xs.add(p.x);
      ys.add(p.least);
      ys.add(p.most);
    }
  const Scale x = scale_of(plot.x, xs, left, width - right, 1.2),
              y = scale_of(plot.y, ys, height - bottom, top, 1.5);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\">\n<title>{}</title>\n{}"
      "<rect class=\"back\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n",
      width, height, escaped(plot.title), style);
  const auto text = [&](double at_x, double at_y, const char* more, const std::string& what) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", at_x, at_y, more, escaped(what));
  };
  const auto line = [&](double x1, double y1, double x2, double y2, const std::string& kind) {
    out += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kind,
                       x1, y1, x2, y2);
  };
  text(left, 24, "class=\"title\"", plot.title);
  for (const double tick : x.ticks) {
    line(x.at(tick), top, x.at(tick), height - bottom, "grid");
    text(x.at(tick), height - bottom + 18, "text-anchor=\"middle\"", number(tick));
  }
  for (const double tick : y.ticks) {
    line(left, y.at(tick), width - right, y.at(tick), "grid");
    text(left - 8, y.at(tick) + 4, "text-anchor=\"end\"", number(tick));
  }
  text((left + width - right) / 2, height - 14, "text-anchor=\"middle\"", plot.x.label);
  out +=
      fmt::format("<text transform=\"translate(18 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                  (top + height - bottom) / 2, escaped(plot.y.label));
  double legend = left;
  for (std::size_t s = 0; s < plot.series.size(); ++s) {
    const PlotSeries& series = plot.series[s];
    std::string path;
    for (const PlotPoint& p : series.points) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(p.x), y.at(p.y));
      line(x.at(p.x), y.at(p.least), x.at(p.x), y.at(p.most), fmt::format("bar s{}", s));
    }
    out += fmt::format("<path class=\"line s{}\" d=\"{}\"/>\n", s, path);
    for (const PlotPoint& p : series.points) out += mark(s, x.at(p.x), y.at(p.y));
    if (plot.series.size() == 1) continue;
    out += mark(s, legend + 5, 46);
    text(legend + 16, 50, "", series.name);
    legend += 40 + 7.2 * static_cast<double>(series.name.size());
  }
  return out + "</svg>\n";
}

std::string to_table(const Plot& plot) {
  std::map<double, std::vector<std::string>> rows;
  std::string head = fmt::format("| {} |", plot.x.label), rule = "|---|";
  for (std::size_t s = 0; s < plot.series.size(); ++s) {
    head +=
        fmt::format(" {}{}{} |", plot.series[s].name, plot.series[s].name.empty() ? "" : ", ", plot.y.label);
    rule += "---|";
    for (const PlotPoint& p : plot.series[s].points) {
      auto& cells = rows[p.x];
      cells.resize(plot.series.size());
      cells[s] = fmt::format("{} ({} to {})", number(p.y), number(p.least), number(p.most));
    }
  }
  std::string out = head + "\n" + rule + "\n";
  for (const auto& [x, cells] : rows) {
    out += fmt::format("| {} |", number(x));
    for (const std::string& cell : cells) out += fmt::format(" {} |", cell);
    out += "\n";
  }
  return out;
}

}  // namespace signalbox::bench
