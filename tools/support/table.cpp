// Table renderings. Column widths count code points, which is right for the labels seen in practice
// and never breaks the content.
#include "tools/support/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/support/text.h"

namespace qe::tools {
namespace {

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;  // not a continuation byte
  }));
}

std::string padded(const std::string& cell, std::size_t width, bool left) {
  const std::size_t have = display_width(cell);
  const std::string spaces(width > have ? width - have : 0, ' ');
  return left ? cell + spaces : spaces + cell;
}

std::string markdown_cell(const std::string& cell) {
  std::string escaped;
  for (const char byte : printable(cell)) {
    if (byte == '|' || byte == '\\' || byte == '<') escaped += '\\';
    escaped += byte;
  }
  return escaped;
}

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string enclosed(1, '"');
  for (const char byte : cell) {
    if (byte == '"') enclosed += '"';
    enclosed += byte;
  }
  enclosed += '"';
  return enclosed;
}

}  // namespace

void write_text(std::ostream& out, const Table& table) {
  std::vector<std::size_t> widths(table.header.size(), 0);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(printable(cells[i])));
    }
  };
  widen(table.header);
  std::for_each(table.rows.begin(), table.rows.end(), widen);
  const auto write_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (i > 0) line += "  ";
      line += padded(printable(cells[i]), widths[i], i < table.text_columns);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  };
  if (!table.title.empty()) out << table.title << "\n";
  write_line(table.header);
  std::for_each(table.rows.begin(), table.rows.end(), write_line);
}

void write_markdown(std::ostream& out, const Table& table) {
  if (!table.title.empty()) out << "**" << markdown_cell(table.title) << "**\n\n";
  const auto write_line = [&](const std::vector<std::string>& cells) {
    out << "|";
    for (const std::string& cell : cells) out << " " << markdown_cell(cell) << " |";
    out << "\n";
  };
  write_line(table.header);
  out << "|";
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    out << (i < table.text_columns ? "---|" : "---:|");
  }
  out << "\n";
  std::for_each(table.rows.begin(), table.rows.end(), write_line);
}

void write_csv(std::ostream& out, const Table& table) {
  const auto write_line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) out << (i > 0 ? "," : "") << csv_cell(cells[i]);
    out << "\n";
  };
  write_line(table.header);
  std::for_each(table.rows.begin(), table.rows.end(), write_line);
}

void write_table(std::ostream& out, const Table& table, const std::string& format) {
  if (format == "csv") {
    write_csv(out, table);
  } else if (format == "md") {
    write_markdown(out, table);
    out << "\n";
  } else {
    write_text(out, table);
    out << "\n";
  }
}

std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return "n/a";
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*f", digits, value);
  // What rounds to zero has no sign.
  const std::string text = buffer;
  return text.find_first_not_of("-0.") == std::string::npos && text[0] == '-' ? text.substr(1)
                                                                              : text;
}

std::string interval(double low, double high, int digits) {
  std::string text(1, '[');
  return text.append(fixed(low, digits)).append(", ").append(fixed(high, digits)).append("]");
}

}  // namespace qe::tools
