// Tables, JSON results, checksums and pictures.
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include <qe/error.h>

#include "tools/support/file_info.h"
#include "tools/support/output.h"
#include "tools/support/result.h"
#include "tools/support/svg.h"
#include "tools/support/table.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;

fs::path scratch(const std::string& name) {
  const fs::path folder = fs::path(QE_BINARY_DIR) / "tests" / "scratch" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void write_file(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

const Table kTable = {.title = "Scores",
                      .header = {"label", "F1"},
                      .rows = {{"sad|ness", "0.5"}, {"\xC3\xA9t\xC3\xA9, \"x\"", "10.25"}}};

template <typename Writer>
std::string rendered(Writer writer) {
  std::ostringstream out;
  writer(out);
  return out.str();
}

TEST_CASE("aligned text") {
  CHECK(rendered([](auto& out) { write_text(out, kTable); }) ==
        "Scores\n"
        "label        F1\n"
        "sad|ness    0.5\n"
        "\xC3\xA9t\xC3\xA9, \"x\"  10.25\n");
}

TEST_CASE("Markdown") {
  CHECK(rendered([](auto& out) { write_markdown(out, kTable); }) ==
        "**Scores**\n\n| label | F1 |\n|---|---:|\n| sad\\|ness | 0.5 |\n"
        "| \xC3\xA9t\xC3\xA9, \"x\" | 10.25 |\n");
}

TEST_CASE("CSV") {
  CHECK(rendered([](auto& out) { write_csv(out, kTable); }) ==
        "label,F1\nsad|ness,0.5\n\"\xC3\xA9t\xC3\xA9, \"\"x\"\"\",10.25\n");
}

TEST_CASE("control characters never reach a terminal") {
  const Table hostile = {.header = {"a"}, .rows = {{"x\x1b[2Jy\nz"}}};
  CHECK(rendered([&](auto& out) { write_table(out, hostile, "table"); }) == "a\nx [2Jy z\n\n");
}

TEST_CASE("numbers") {
  CHECK(fixed(0.12345, 3) == "0.123");
  CHECK(fixed(-0.0, 2) == "0.00");
  CHECK(fixed(-0.004, 2) == "0.00");
  CHECK(fixed(-0.5, 2) == "-0.50");
  CHECK(fixed(std::numeric_limits<double>::quiet_NaN(), 3) == "n/a");
  CHECK(interval(0.1, 0.25, 2) == "[0.10, 0.25]");
}

TEST_CASE("checksums and sizes") {
  const fs::path folder = scratch("file_info");
  write_file(folder / "empty", "");
  write_file(folder / "model.safetensors", "abc");
  fs::create_directory(folder / "below");
  CHECK(describe_file(folder / "empty").xxh64 == "ef46db3751d8e999");
  CHECK(describe_file(folder / "model.safetensors").xxh64 == "44bc2cf5ad770999");
  CHECK(describe_files(folder).size() == 2);
  CHECK(describe_files(folder / "empty").size() == 1);
  CHECK(weight_file_bytes(folder) == 3);
  CHECK_THROWS_AS(describe_file(folder / "absent"), IoError);
  CHECK_THROWS_AS(weight_file_bytes(folder / "absent"), IoError);
}

TEST_CASE("the result object") {
  const fs::path folder = scratch("result");
  write_file(folder / "a.txt", "abc");
  SharedFlags flags;
  flags.threads = 2;
  const std::vector<fs::path> inputs = {folder};
  Json result = begin_result("qe-test", flags, inputs);
  CHECK(result["schema"] == "qe.result/1");
  CHECK(result["tool"] == "qe-test");
  CHECK(result["complete"] == true);
  CHECK(result["environment"]["threads"] == 2);
  CHECK(result["environment"]["isa"] == "reference");
  CHECK(result["inputs"][0]["xxh64"] == "44bc2cf5ad770999");
  result["undefined"] = std::numeric_limits<double>::quiet_NaN();
  result["bytes"] = "\xFF";
  const Json back = Json::parse(rendered([&](auto& out) { write_json(out, result); }));
  CHECK(back["undefined"].is_null());
  CHECK(back["bytes"] == "\xEF\xBF\xBD");
}

TEST_CASE("output that cannot be written is an error") {
  CHECK_THROWS_AS(Output("/nonexistent/folder/file"), IoError);
  Output full("/dev/full");
  full.stream() << "text";
  CHECK_THROWS_AS(full.flush(), IoError);
  const fs::path file = scratch("output") / "out.txt";
  Output output(file.string());
  output.stream() << "text";
  output.flush();
  CHECK(fs::file_size(file) == 4);
}

TEST_CASE("confusion pictures hold every count, escaped and self-contained") {
  const std::vector<ConfusionPanel> panels = {
      {"<first> & \"only\"", ConfusionMatrix(2, {7, 1, 0, 0})}};
  const std::string svg = rendered([&](auto& out) {
    write_confusion_svg(out, "A < B", {"no", "<script>"}, panels);
  });
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(svg.find("A &lt; B") != std::string::npos);
  CHECK(svg.find("&lt;first&gt; &amp; &quot;only&quot;: accuracy 0.8750 (7 of 8)") !=
        std::string::npos);
  CHECK(svg.find("<script>") == std::string::npos);
  CHECK(svg.find("87.5") != std::string::npos);
  CHECK(svg.find("n/a") != std::string::npos);  // the class without rows
  CHECK(svg.find("href") == std::string::npos);
}

TEST_CASE("latency pictures") {
  const std::vector<LatencySeries> series = {{"int8 & co", {1.0, 2.0, 4.0}}, {"none", {}}};
  const std::string svg = rendered([&](auto& out) { write_latency_svg(out, "Latency", series); });
  CHECK(svg.find("int8 &amp; co") != std::string::npos);
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(rendered([](auto& out) { write_latency_svg(out, "Nothing", {}); }).find("nan") ==
        std::string::npos);
}

}  // namespace
}  // namespace qe::tools
