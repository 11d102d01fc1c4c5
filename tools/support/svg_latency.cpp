// The distribution of latencies, one step line a series.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tools/support/svg.h"
#include "tools/support/table.h"

namespace qe::tools {
namespace {

constexpr double kLeft = 60.0;
constexpr double kTop = 60.0;
constexpr double kPlotWidth = 640.0;
constexpr double kPlotHeight = 320.0;
constexpr std::array<const char*, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#000000", "#999999"};

struct Axis {
  double low;
  double high;
  double x(double milliseconds) const {
    return kLeft + kPlotWidth * std::log(milliseconds / low) / std::log(high / low);
  }
};

Axis axis(std::span<const LatencySeries> series) {
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  for (const LatencySeries& one : series) {
    for (const double value : one.milliseconds) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (high <= 0.0) return {1.0, 10.0};
  return {std::max(low * 0.95, 1e-6), std::max(high * 1.05, low * 1.2)};
}

void write_axis(std::ostream& out, const Axis& axis) {
  constexpr int kTicks = 6;
  for (int i = 0; i < kTicks; ++i) {
    const double share = static_cast<double>(i) / (kTicks - 1);
    const double value = axis.low * std::pow(axis.high / axis.low, share);
    const double x = axis.x(value);
    const double y = kTop + kPlotHeight * (1.0 - share);
    out << "<path d=\"M" << fixed(x, 1) << " " << kTop << "v" << kPlotHeight << "M" << kLeft << " "
        << fixed(y, 1) << "h" << kPlotWidth << "\" stroke=\"#ddd\"/>\n"
        << "<text x=\"" << fixed(x, 1) << "\" y=\"" << kTop + kPlotHeight + 18
        << "\" text-anchor=\"middle\">" << fixed(value, value < 10 ? 2 : 1) << "</text>\n"
        << "<text x=\"" << kLeft - 8 << "\" y=\"" << fixed(y + 4, 1) << "\" text-anchor=\"end\">"
        << fixed(100.0 * share, 0) << "</text>\n";
  }
  out << "<text x=\"" << kLeft + kPlotWidth / 2 << "\" y=\"" << kTop + kPlotHeight + 40
      << "\" text-anchor=\"middle\">latency, ms (logarithmic); vertical: % of runs at or below"
      << "</text>\n";
}

void write_series(std::ostream& out, const LatencySeries& series, const Axis& axis,
                  const char* colour) {
  if (series.milliseconds.empty()) return;
  std::vector<double> sorted = series.milliseconds;
  std::sort(sorted.begin(), sorted.end());
  const double step = kPlotHeight / static_cast<double>(sorted.size());
  double y = kTop + kPlotHeight;
  out << "<path fill=\"none\" stroke-width=\"2\" stroke=\"" << colour << "\" d=\"M"
      << fixed(axis.x(sorted.front()), 1) << " " << fixed(y, 1);
  for (const double value : sorted) {
    y -= step;
    out << "H" << fixed(axis.x(value), 1) << "V" << fixed(y, 1);
  }
  out << "\"/>\n";
}

}  // namespace

void write_latency_svg(std::ostream& out, const std::string& title,
                       std::span<const LatencySeries> series) {
  const Axis scale = axis(series);
  const double width = kLeft + kPlotWidth + 30.0;
  const double height = kTop + kPlotHeight + 60.0 + 20.0 * static_cast<double>(series.size());
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << height
      << "\" viewBox=\"0 0 " << width << " " << height
      << "\" font-family=\"sans-serif\" font-size=\"13\">\n<title>" << svg_escape(title)
      << "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"" << kLeft
      << "\" y=\"32\" font-size=\"18\">" << svg_escape(title) << "</text>\n";
  write_axis(out, scale);
  double legend = kTop + kPlotHeight + 66.0;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const char* const colour = kColours[i % kColours.size()];
    write_series(out, series[i], scale, colour);
    out << "<rect x=\"" << kLeft << "\" y=\"" << legend - 10
        << "\" width=\"12\" height=\"12\" fill=\"" << colour << "\"/>\n<text x=\"" << kLeft + 18
        << "\" y=\"" << legend << "\">" << svg_escape(series[i].name) << "</text>\n";
    legend += 20.0;
  }
  out << "</svg>\n";
}

}  // namespace qe::tools
