// The tab-separated reader: what it accepts, and one test for each thing it refuses.
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <qe/error.h>

#include "tools/support/dataset.h"
#include "tools/support/text.h"

namespace qe::tools {
namespace {

const std::vector<std::string> kLabels = {"sad", "glad", "7"};

std::vector<Row> read_all(const std::string& text, DatasetOptions options = {.labels = kLabels}) {
  std::istringstream stream(text);
  Dataset dataset(stream, "data.tsv", std::move(options));
  std::vector<Row> rows;
  for (Row row; dataset.next(row);) rows.push_back(row);
  return rows;
}

std::string error_of(const std::string& text, DatasetOptions options = {.labels = kLabels}) {
  try {
    read_all(text, std::move(options));
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("rows, labels by name and by index") {
  const auto rows = read_all("id\ttext\tlabel\n1\thello\tglad\n2\t\t0\n3\tx\t7\n4\ty\t2\n");
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].text == "hello");
  CHECK(rows[0].line == 2);
  CHECK(rows[0].labels == std::vector{1});
  CHECK_FALSE(rows[0].pair.has_value());
  CHECK(rows[1].text.empty());
  CHECK(rows[1].labels == std::vector{0});
  CHECK(rows[2].labels == std::vector{2});  // a name before an index
  CHECK(rows[3].labels == std::vector{2});
}

TEST_CASE("byte order mark, CRLF and a missing last newline") {
  const auto rows = read_all("\xEF\xBB\xBFtext\tlabel\r\na b\tsad\r\n\xC3\xA9\tglad");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].text == "a b");
  CHECK(rows[1].text == "\xC3\xA9");
  CHECK(rows[1].labels == std::vector{1});
}

TEST_CASE("pairs") {
  const auto rows = read_all("text_pair\ttext\tlabel\nsecond\tfirst\t0\n\tfirst\t0\n");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].text == "first");
  CHECK(rows[0].pair == "second");
  CHECK(rows[1].pair == "");
}

TEST_CASE("several labels a row") {
  const auto rows = read_all("text\tlabel\na\tglad,sad,glad\nb\t\nc\t2\n",
                             {.labels = kLabels, .multi_label = true});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].labels == std::vector{0, 1});
  CHECK(rows[1].labels.empty());
  CHECK(rows[2].labels == std::vector{2});
}

TEST_CASE("unlabelled data") {
  const auto rows = read_all("text\nhello\n\n", {.labelled = false});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].labels.empty());
  CHECK(rows[1].text.empty());
}

TEST_CASE("a header alone has no rows") { CHECK(read_all("text\tlabel\n").empty()); }

TEST_CASE("refusals name the file, the line, what was expected and what was found") {
  CHECK(error_of("") == "data.tsv: is empty (expected a header line)");
  CHECK(error_of("words\tlabel\n") ==
        "data.tsv: line 1: missing column (expected \"text\", got words, label)");
  CHECK(error_of("text\n") == "data.tsv: line 1: missing column (expected \"label\", got text)");
  CHECK(error_of("text\ttext\tlabel\n") ==
        "data.tsv: line 1: a column appears twice (expected one column named \"text\")");
  CHECK(error_of("text\tlabel\na\tsad\nb\tangry\n") ==
        "data.tsv: line 3: unknown label (expected sad, glad, 7 or 0 to 2, got \"angry\")");
  for (const char* label : {"3", "-1", "", "1.0", " 1", "99999999999999999999", "+1"}) {
    CHECK(error_of("text\tlabel\na\t" + std::string(label) + "\n").find("unknown label") !=
          std::string::npos);
  }
  CHECK(error_of("text\tlabel\na\tsad\textra\n") ==
        "data.tsv: line 2: wrong number of columns (expected 2, got 3)");
  CHECK(error_of("text\tlabel\na\tsad\n\n") ==
        "data.tsv: line 3: wrong number of columns (expected 2, got 1)");
  CHECK(error_of("text\tlabel\na\xFF\tsad\n") == "data.tsv: line 2: is not UTF-8");
  CHECK(error_of("te\xFFxt\tlabel\n") == "data.tsv: line 1: is not UTF-8");
  CHECK(error_of("text\tlabel\na\tsad,angry\n", {.labels = kLabels, .multi_label = true})
            .find("unknown label") != std::string::npos);
}

TEST_CASE("long labels are cut in messages") {
  const std::string message = error_of("text\tlabel\na\t" + std::string(5000, 'x') + "\n");
  CHECK(message.size() < 200);
}

TEST_CASE("rows with errors are skipped and counted on request") {
  std::istringstream stream("text\tlabel\na\tsad\nb\tangry\n\xC0\xAF\tsad\nc\tglad\n");
  std::vector<std::string> told;
  Dataset dataset(stream, "data.tsv",
                  {.labels = kLabels,
                   .on_error = OnError::kSkip,
                   .on_skip = [&](const DataError& e) { told.push_back(e.detail().name); }});
  std::vector<std::size_t> lines;
  for (Row row; dataset.next(row);) lines.push_back(row.line);
  CHECK(lines == std::vector<std::size_t>{2, 5});
  CHECK(dataset.skipped() == 2);
  CHECK(told == std::vector<std::string>{"line 3", "line 4"});
}

TEST_CASE("a line without end is refused before it fills the memory") {
  std::istringstream stream("text\n" + std::string(LineReader::kLongestLine + 1, 'a'));
  Dataset dataset(stream, "data.tsv", {.labelled = false});
  Row row;
  CHECK_THROWS_AS(dataset.next(row), DataError);
}

TEST_CASE("UTF-8 is checked strictly") {
  for (const char* good : {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                           "\xF4\x8F\xBF\xBF", "\xEF\xBF\xBE"}) {
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF8\x88\x80\x80\x80", "\xC3", "\xE2\x82", "a\xFFz"}) {
    CHECK_FALSE(is_utf8(bad));
  }
  CHECK(is_utf8(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace qe::tools
