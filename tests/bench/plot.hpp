// Growth curves as SVG and as a table of Markdown, from the same points.
#pragma once

#include <string>
#include <vector>

namespace signalbox::bench {

struct PlotPoint {
  double x;
  double y, least, most;  // a median and its spread
};
PlotPoint point(double x, const std::vector<double>& values);

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;
};
struct PlotAxis {
  std::string label;  // with its unit
  bool logarithmic = false;
};
struct Plot {
  std::string title;
  PlotAxis x, y;
  std::vector<PlotSeries> series;
};

// Readable on a light and on a dark page; a logarithmic axis needs positive numbers.
std::string to_svg(const Plot& plot);
// A row for each x that a series has.
std::string to_table(const Plot& plot);

}  // namespace signalbox::bench
