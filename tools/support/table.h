// A table of strings and its three renderings: aligned text for a terminal, Markdown, and CSV
// (RFC 4180). Numbers are formatted by the caller.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace qe::tools {

struct Table {
  std::string title = {};                // above the text and Markdown forms; empty: none
  std::vector<std::string> header = {};  // one a column
  std::vector<std::vector<std::string>> rows = {};
  std::size_t text_columns = 1;  // this many from the left are words, the rest numbers (right)
};

void write_text(std::ostream& out, const Table& table);
void write_markdown(std::ostream& out, const Table& table);
void write_csv(std::ostream& out, const Table& table);  // without the title

// By --format: "md", "csv", anything else text. Text and Markdown end with an empty line.
void write_table(std::ostream& out, const Table& table, const std::string& format);

// "0.9330" with `digits` decimals; "n/a" for a value that is not finite.
std::string fixed(double value, int digits);

// "[0.9211, 0.9431]".
std::string interval(double low, double high, int digits);

}  // namespace qe::tools
