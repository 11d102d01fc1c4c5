// Heat maps with the number in every cell, so that nothing depends on telling shades apart.
#include <algorithm>
#include <cmath>

#include "tools/support/svg.h"
#include "tools/support/table.h"

namespace qe::tools {
namespace {

constexpr int kCell = 46;
constexpr int kMargin = 24;
constexpr int kTitle = 56;
constexpr int kHeading = 40;

struct Layout {
  int label_width = 0;
  int column_labels = 0;  // height of the slanted labels under a map
  int map_width = 0;
  int map_height = 0;
};

Layout layout(const std::vector<std::string>& labels) {
  std::size_t longest = 4;
  for (const std::string& label : labels) longest = std::max(longest, label.size());
  const int text = 8 * static_cast<int>(std::min<std::size_t>(longest, 24));
  const int side = kCell * static_cast<int>(labels.size());
  return {.label_width = text + 12,
          .column_labels = text * 3 / 4 + 24,
          .map_width = text + 12 + side,
          .map_height = kHeading + side + text * 3 / 4 + 24};
}

void write_label(std::ostream& out, int x, int y, const std::string& attributes,
                 const std::string& text) {
  out << "<text x=\"" << x << "\" y=\"" << y << "\"" << attributes << ">" << svg_escape(text)
      << "</text>\n";
}

// White to dark blue with the share; the text turns white on dark cells.
void write_cell(std::ostream& out, int x, int y, double share, const std::string& text) {
  const auto mix = [share](int to) {
    return 255 - static_cast<int>(std::lround(share * (255 - to)));
  };
  out << "<rect x=\"" << x << "\" y=\"" << y << "\" width=\"" << kCell << "\" height=\"" << kCell
      << "\" fill=\"";
  if (std::isfinite(share)) {
    out << "rgb(" << mix(8) << "," << mix(69) << "," << mix(148) << ")";
  } else {
    out << "url(#none)";
  }
  out << "\" stroke=\"#ccc\"/>\n";
  write_label(out, x + kCell / 2, y + kCell / 2 + 5,
              std::string(" text-anchor=\"middle\"") + (share > 0.55 ? " fill=\"#fff\"" : ""),
              text);
}

void write_map(std::ostream& out, const ConfusionMatrix& matrix,
               const std::vector<std::string>& labels, const Layout& sizes, int x, int y,
               bool percentages) {
  const int left = x + sizes.label_width;
  const int top = y + kHeading;
  write_label(out, left, y + 14, " font-weight=\"bold\"",
              percentages ? "share of each true class, %" : "counts");
  write_label(out, left, y + 32, " fill=\"#555\"", "rows: true class, columns: predicted class");
  for (int row = 0; row < matrix.classes(); ++row) {
    const int cell_y = top + row * kCell;
    const std::string& label = labels[static_cast<std::size_t>(row)];
    write_label(out, left - 8, cell_y + kCell / 2 + 5, " text-anchor=\"end\"", label);
    const auto support = static_cast<double>(matrix.true_count(row));
    for (int column = 0; column < matrix.classes(); ++column) {
      const double share = static_cast<double>(matrix.at(row, column)) / support;
      write_cell(out, left + column * kCell, cell_y, share,
                 percentages ? fixed(100.0 * share, 1) : std::to_string(matrix.at(row, column)));
    }
    const int foot_x = left + row * kCell + kCell / 2;
    const int foot_y = top + matrix.classes() * kCell + 14;
    write_label(out, foot_x, foot_y,
                " text-anchor=\"end\" transform=\"rotate(-45 " + std::to_string(foot_x) + " " +
                    std::to_string(foot_y) + ")\"",
                label);
  }
}

}  // namespace

std::string svg_escape(const std::string& text) {
  std::string escaped;
  for (const char byte : text) {
    switch (byte) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += static_cast<unsigned char>(byte) < 0x20 ? ' ' : byte;
    }
  }
  return escaped;
}

void write_confusion_svg(std::ostream& out, const std::string& title,
                         const std::vector<std::string>& labels,
                         std::span<const ConfusionPanel> panels) {
  const Layout sizes = layout(labels);
  const int panel_height = sizes.map_height + 40;
  const int width = std::max(640, 2 * sizes.map_width + 3 * kMargin);
  const int height = kTitle + panel_height * static_cast<int>(panels.size()) + kMargin;
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << height
      << "\" viewBox=\"0 0 " << width << " " << height
      << "\" font-family=\"sans-serif\" font-size=\"13\">\n"
      << "<title>" << svg_escape(title) << "</title>\n"
      << "<defs><pattern id=\"none\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
      << "<rect width=\"6\" height=\"6\" fill=\"#eee\"/>"
      << "<path d=\"M0 6L6 0\" stroke=\"#bbb\"/></pattern></defs>\n"
      << "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  write_label(out, kMargin, 32, " font-size=\"18\"", title);
  int y = kTitle;
  for (const ConfusionPanel& panel : panels) {
    write_label(out, kMargin, y + 14, " font-size=\"15\"",
                panel.title + ": accuracy " + fixed(accuracy(panel.matrix), 4) + " (" +
                    std::to_string(panel.matrix.correct()) + " of " +
                    std::to_string(panel.matrix.total()) + ")");
    write_map(out, panel.matrix, labels, sizes, kMargin, y + 30, false);
    write_map(out, panel.matrix, labels, sizes, 2 * kMargin + sizes.map_width, y + 30, true);
    y += panel_height;
  }
  out << "</svg>\n";
}

}  // namespace qe::tools
