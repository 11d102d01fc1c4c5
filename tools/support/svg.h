// Pictures as self-contained SVG: no script, no external font or style, every string escaped.
#pragma once

#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "tools/support/metrics/confusion.h"

namespace qe::tools {

// `text` as SVG character data or attribute value; control characters become spaces.
std::string svg_escape(const std::string& text);

struct ConfusionPanel {
  std::string title;
  ConfusionMatrix matrix;
};

// One line of pictures a panel: counts on the left, the same as percentages of each true class on
// the right. Shades follow the row percentages; a class without rows is hatched grey. All panels
// have one class a label.
void write_confusion_svg(std::ostream& out, const std::string& title,
                         const std::vector<std::string>& labels,
                         std::span<const ConfusionPanel> panels);

struct LatencySeries {
  std::string name;
  std::vector<double> milliseconds;
};

// Share of runs at or below each latency (the empirical distribution), a step line a series, on a
// logarithmic axis.
void write_latency_svg(std::ostream& out, const std::string& title,
                       std::span<const LatencySeries> series);

}  // namespace qe::tools
