// The tools on images, from the outside, with the embedded model of shapes and its images.
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/float_models.h"
#include "tests/tools/shell.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kShapes = "models/tiny-shapes";
const std::string kTest = "data/demo-shapes/test.tsv";
const std::string kCalibration = "data/demo-shapes/calibration.tsv";
const std::string kCircle = "data/demo-shapes/images/test-000.png";
const std::string kSquare = "data/demo-shapes/images/test-001.png";

std::vector<json> json_lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

// A folder with two images, a file that is none and a text that is not looked at.
fs::path folder_with_a_bad_image(const std::string& name) {
  const fs::path folder = scratch(name);
  const fs::path source = QE_SOURCE_DIR;
  fs::copy(source / kCircle, folder / "a.png");
  write_file(folder / "b.jpg", "not an image");
  fs::copy(source / kSquare, folder / "c.png");
  write_file(folder / "notes.txt", "x");
  return folder;
}

// A table of the first images, so that the slow paths stay short.
fs::path small_table(const std::string& name, int rows) {
  const fs::path folder = scratch(name);
  const fs::path data = fs::path(QE_SOURCE_DIR) / "data/demo-shapes";
  std::istringstream lines(read_file(data / "test.tsv"));
  std::string table;
  std::string line;
  for (int i = 0; i <= rows && std::getline(lines, line); ++i) {
    table += line + "\n";
    if (i == 0) continue;
    const std::string image = line.substr(0, line.find('\t'));
    fs::create_directories((folder / image).parent_path());
    fs::copy(data / image, folder / image);
  }
  write_file(folder / "test.tsv", table);
  return folder / "test.tsv";
}

TEST_CASE("images by flag") {
  if (test::skip_float("image models")) return;
  const Outcome table = shell("qe-run " + kShapes + " --image " + kCircle + " " + kSquare);
  CHECK(table.code == 0);
  CHECK(table.err.empty());
  CHECK(table.out.starts_with(kCircle + ": circle 0."));
  CHECK(table.out.find("\n" + kSquare + ": square 0.") != std::string::npos);

  const Outcome lines =
      shell("qe-run " + kShapes + " --image " + kCircle + " --top 2 --format jsonl");
  REQUIRE(lines.code == 0);
  const json answer = json::parse(lines.out);
  CHECK(answer["image"] == kCircle);
  CHECK(answer["logits"].size() == 6);
  REQUIRE(answer["top"].size() == 2);
  CHECK(answer["top"][0]["label"] == "circle");
  CHECK(answer["top"][0]["index"] == 0);
  CHECK(answer["top"][0]["probability"] > answer["top"][1]["probability"]);

  const Outcome csv = shell("qe-run " + kShapes + " --image " + kCircle + " --top 1 --format csv");
  CHECK(csv.out.starts_with("image,rank,label,probability\n" + kCircle + ",1,circle,0."));
}

TEST_CASE("a folder of images, one of them bad") {
  if (test::skip_float("image models")) return;
  const fs::path folder = folder_with_a_bad_image("run-images");
  const std::string run =
      "qe-run " + kShapes + " --format jsonl --batch 8 --image '" + folder.string() + "' ";
  const Outcome failed = shell(run);
  CHECK(failed.code == 4);
  CHECK(failed.err.find("b.jpg") != std::string::npos);
  CHECK(json_lines(failed.out).size() == 1);  // those before it are answered
  const Outcome skipped = shell(run + "--on-error skip");
  CHECK(skipped.code == 0);
  CHECK(skipped.err.find("b.jpg") != std::string::npos);
  CHECK(skipped.err.find("1 of 3 images") != std::string::npos);
  const auto answers = json_lines(skipped.out);
  REQUIRE(answers.size() == 2);
  CHECK(answers[1]["image"] == (folder / "c.png").string());
  CHECK(answers[1]["number"] == 3);
}

TEST_CASE("paths that lead to no image") {
  if (test::skip_float("image models")) return;
  const fs::path folder = scratch("run-no-images");
  fs::create_directory(folder / "empty");
  const std::string empty = "'" + (folder / "empty").string() + "'";
  CHECK(shell("qe-run " + kShapes + " --image " + empty).code == 4);
  const std::string run = "qe-run " + kShapes + " --format jsonl --image " + kCircle +
                          " /nonexistent.png " + empty + " " + kSquare;
  const Outcome failed = shell(run);
  CHECK(failed.code == 4);
  CHECK(failed.err.find("/nonexistent.png") != std::string::npos);
  CHECK(json_lines(failed.out).size() == 1);
  const Outcome skipped = shell(run + " --on-error skip");
  CHECK(skipped.code == 0);
  CHECK(skipped.err.find("/nonexistent.png: no such file") != std::string::npos);
  CHECK(skipped.err.find("empty: has no images") != std::string::npos);
  CHECK(skipped.err.find("2 of 4 images could not be used") != std::string::npos);
  CHECK(json_lines(skipped.out).size() == 2);
}

TEST_CASE("EXIF rotation can be left out") {
  if (test::skip_float("image models")) return;
  const std::string run =
      "qe-run " + kShapes + " --format jsonl --image tests/data/images/orientation6.jpg ";
  const Outcome upright = shell(run);
  const Outcome stored = shell(run + "--no-exif-rotation");
  REQUIRE(upright.code == 0);
  REQUIRE(stored.code == 0);
  CHECK(upright.out != stored.out);
}

TEST_CASE("texts and images do not mix") {
  const Outcome image_model = shell("qe-run " + kShapes + " --text hello");
  CHECK(image_model.code == 2);
  CHECK(image_model.err.find("--image") != std::string::npos);
  CHECK(shell("qe-run " + kShapes, "hello\n").code == 2);
  CHECK(shell("qe-run " + kModel + " --image " + kCircle).code == 2);
  CHECK(shell("qe-run " + kShapes + " --text a --image " + kCircle).code == 2);
  CHECK(shell("qe-run " + kModel + " --top 3 --text a").code == 2);
  CHECK(shell("qe-run " + kShapes + " --top 0 --image " + kCircle).code == 2);
  CHECK(shell("qe-run " + kShapes + " --on-error never --image " + kCircle).code == 2);
}

TEST_CASE("accuracy on a table of images") {
  if (test::skip_float("image models")) return;
  const Outcome outcome = shell("qe-eval " + kShapes + " --data " + kTest + " --format json");
  REQUIRE(outcome.code == 0);
  const json model = json::parse(outcome.out)["models"][0];
  CHECK(model["rows"] == 600);
  CHECK(model["rows_skipped"] == 0);
  // Of the published weights, one image either way.
  CHECK(model["accuracy"].get<double>() == doctest::Approx(0.917).epsilon(0.0027));
  CHECK(model["top5_accuracy"] > model["accuracy"]);
  CHECK(model["pixels_xxh64"].get<std::string>().size() == 16);
  CHECK_FALSE(model.contains("tokens"));
  CHECK(model["confusion"].size() == 6);
  const json again = json::parse(
      shell("qe-eval " + kShapes + " --data " + kTest + " --format json --batch 7 --threads 3")
          .out)["models"][0];
  CHECK(again["confusion"] == model["confusion"]);
  CHECK(again["pixels_xxh64"] == model["pixels_xxh64"]);
  const Outcome table = shell("qe-eval " + kShapes + " --data " + kTest +
                              " --fail-if 'top5_accuracy<0.5' --fail-if 'accuracy<0.99'");
  CHECK(table.code == 1);
  CHECK(table.out.find("top-5 accuracy") != std::string::npos);
  CHECK(table.out.find("tokens") == std::string::npos);
}

TEST_CASE("the three forms of image data") {
  if (test::skip_float("image models")) return;
  const fs::path folder = scratch("image-forms");
  const fs::path source = QE_SOURCE_DIR;
  for (const std::string label : {"circle", "square"}) fs::create_directory(folder / label);
  fs::copy(source / kCircle, folder / "circle" / "x.png");
  fs::copy(source / kSquare, folder / "square" / "y.png");
  const auto rows = [&](const std::string& data) {
    const Outcome outcome = shell("qe-eval " + kShapes + " --format json --data '" + data + "'");
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return json::parse(outcome.out)["models"][0]["rows"].get<int>();
  };
  CHECK(rows(folder.string()) == 2);
  std::string record(3073, '\x40');
  record[0] = 5;
  write_file(folder / "cifar.bin", record + record + record);
  CHECK(rows((folder / "cifar.bin").string()) == 3);
  record[0] = 6;  // a class outside the head
  write_file(folder / "cifar.bin", record);
  const Outcome outside =
      shell("qe-eval " + kShapes + " --data '" + (folder / "cifar.bin").string() + "'");
  CHECK(outside.code == 4);
  CHECK(outside.err.find("unknown label") != std::string::npos);
  fs::create_directory(folder / "hexagon");
  CHECK(shell("qe-eval " + kShapes + " --data '" + folder.string() + "'").code == 4);
  CHECK(shell("qe-eval " + kShapes + " --data " + kSentences).code == 4);  // no column image
  CHECK(shell("qe-eval " + kShapes + " --data /nonexistent.tsv").code == 5);
}

TEST_CASE("images that cannot be used are skipped on request and counted") {
  if (test::skip_float("image models")) return;
  const fs::path folder = folder_with_a_bad_image("eval-images");
  const fs::path table = folder / "test.tsv";
  write_file(table,
             "image\tlabel\na.png\tcircle\nb.jpg\tcircle\nc.png\tsquare\nd.png\tring\n"
             "a.png\thexagon\n../a.png\tcircle\n");
  const std::string eval = "qe-eval " + kShapes + " --data '" + table.string() + "' ";
  const Outcome failed = shell(eval);
  CHECK(failed.code == 4);
  CHECK(failed.err.find("b.jpg") != std::string::npos);
  const Outcome skipped = shell(eval + "--on-error skip --format json --fail-if 'skipped>3'");
  CHECK(skipped.code == 1);
  CHECK(skipped.err.find("line 6: unknown label") != std::string::npos);
  const json model = json::parse(skipped.out)["models"][0];
  CHECK(model["rows"] == 2);
  CHECK(model["rows_skipped"] == 4);
}

TEST_CASE("image models are compared image by image") {
  if (test::skip_float("image models")) return;
  const fs::path table = small_table("compare-images", 48);
  const fs::path lines = table.parent_path() / "predictions.jsonl";
  const fs::path svg = table.parent_path() / "confusion.svg";
  const Outcome outcome =
      shell("qe-eval " + kShapes + " " + kShapes + " --data '" + table.string() +
            "' --latency-pairs 2 --duration 0.01 --format json --predictions '" + lines.string() +
            "' --svg '" + svg.string() + "'");
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const json comparison = json::parse(outcome.out)["models"][1]["comparison"];
  CHECK(comparison["labels_equal"] == 1.0);
  CHECK(comparison["accuracy_drop"] == 0.0);
  CHECK(comparison["latency"]["pairs"] == 2);
  const auto predictions = json_lines(read_file(lines));
  REQUIRE(predictions.size() == 2 * 48);
  CHECK(predictions[0]["line"] == 2);
  CHECK(predictions[0]["image"].get<std::string>().ends_with("images/test-000.png"));
  CHECK(predictions[0]["truth"] == json::array({"circle"}));
  CHECK(read_file(svg).starts_with("<svg"));
  CHECK(shell("qe-eval " + kShapes + " " + kModel + " --data '" + table.string() + "'").code != 0);
}

TEST_CASE("a convolutional network is quantized with images") {
  if (test::skip_float("calibration")) return;
  const fs::path folder = scratch("quantize-images");
  const std::string quantize = "qe-quantize " + kShapes + " '" + (folder / "one").string() + "' ";
  const Outcome without = shell(quantize);
  CHECK(without.code == 2);
  CHECK(without.err.find("--calibration: convolutional networks need images") != std::string::npos);
  CHECK(shell(quantize + "--ranges mse").code == 2);
  CHECK(shell(quantize + "--calibration /nonexistent.tsv").code == 5);
  CHECK(shell(quantize + "--calibration " + kSentences).code == 4);
  CHECK(shell(quantize + "--calibration " + kCalibration + " --ranges widest").code == 2);
  CHECK(shell(quantize + "--calibration " + kCalibration + " --keep-float '('").code == 2);
  CHECK(shell(quantize + "--calibration " + kCalibration + " --keep-float nothing").code == 2);
  write_file(folder / "empty.tsv", "image\n");
  CHECK(shell(quantize + "--calibration '" + (folder / "empty.tsv").string() + "'").code == 4);
  CHECK_FALSE(fs::exists(folder / "one"));

  const std::string flags =
      "--calibration " + kCalibration + " --calibration-rows 20 --format json --ranges ";
  for (const std::string ranges : {"minmax", "average", "percentile", "mse", "entropy"}) {
    const Outcome outcome = shell(quantize + flags + ranges + " --force --threads 1");
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    const json recipe = json::parse(outcome.out)["recipe"];
    CHECK(recipe["ranges"] == ranges);
    CHECK(recipe["calibration"]["images"] == 20);
    CHECK(recipe["calibration"]["pixels_xxh64"].get<std::string>().size() == 16);
    CHECK_FALSE(recipe.contains("keep_float"));
    const auto files = contents(folder / "one");
    REQUIRE(shell("qe-quantize " + kShapes + " '" + (folder / "many").string() + "' " + flags +
                  ranges + " --force --threads 3")
                .code == 0);
    CHECK(contents(folder / "many") == files);
  }
}

TEST_CASE("a quantized model of images answers, the modules kept stay float") {
  if (test::skip_float("calibration")) return;
  const fs::path folder = scratch("quantized-images");
  const fs::path table = small_table("quantized-images-data", 60);
  const std::string output = "'" + (folder / "int8").string() + "'";
  const Outcome outcome =
      shell("qe-quantize " + kShapes + " " + output + " --calibration " + kCalibration +
            " --keep-float linear --data '" + table.string() + "' --format json");
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const json recipe = json::parse(outcome.out)["recipe"];
  CHECK(recipe["keep_float"] == "linear");
  CHECK(recipe["evaluation"]["rows"] == 60);
  for (const json& tensor : recipe["tensors"]) CHECK(tensor["name"] != "linear.weight");
  const json result = json::parse(shell("qe-eval " + kShapes + " " + output + " --data '" +
                                        table.string() + "' --format json --no-latency")
                                      .out);
  CHECK(result["models"][1]["scheme"].get<std::string>().starts_with("int8"));
  CHECK(result["models"][1]["comparison"]["size_reduction"] > 0.6);  // against F32 weights
  CHECK(result["models"][1]["comparison"]["labels_equal"] >= 0.9);
  CHECK(result["models"][1]["pixels_xxh64"] == result["models"][0]["pixels_xxh64"]);
}

TEST_CASE("speed of image models") {
  if (test::skip_float("image models")) return;
  const std::string quick = " --warmup 1 --iters 2 --pairs 2 ";
  const Outcome outcome = shell("qe-bench " + kShapes + quick + "--batch 1,4 --format json");
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const json result = json::parse(outcome.out);
  REQUIRE(result["cases"].size() == 2);
  CHECK(result["cases"][1]["batch"] == 4);
  CHECK_FALSE(result["cases"][1].contains("seq_len"));
  CHECK(result["cases"][1]["series"][0]["images_per_second"] > 0.0);
  CHECK(result["cases"][1]["series"][0]["gmac_per_second"] > 0.0);
  const Outcome real = shell("qe-bench " + kShapes + quick + "--batch 8 --data " + kCalibration);
  CHECK(real.code == 0);
  CHECK(real.out.find("images/s") != std::string::npos);
  CHECK(shell("qe-bench " + kShapes + quick + "--seq-len 16").code == 2);
  CHECK(shell("qe-bench " + kShapes + " " + kModel + quick).code == 2);
  const Outcome labels = shell(
      "qe-bench " + kShapes + " --follow --batch 40 --data " + kCalibration, "labels\nquit\n");
  REQUIRE(labels.code == 0);
  const auto lines = json_lines(labels.out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["images"] == 96);
  REQUIRE(lines[1]["labels"].size() == 3);
  CHECK(lines[1]["labels"][2].size() == 16);
}

TEST_CASE("inspection of an image model") {
  const Outcome table = shell("qe-inspect " + kShapes + " --batch 8");
  REQUIRE(table.code == (test::runs_float_models() ? 0 : 3));
  if (test::skip_float("the plan of a float model")) return;
  CHECK(table.out.find("centre 32 x 32") != std::string::npos);
  CHECK(table.out.find("mean 0.5000 0.5000 0.5000, deviation 0.2500") != std::string::npos);
  CHECK(table.out.find("for 8 images") != std::string::npos);
  CHECK(table.out.find("vocabulary") == std::string::npos);
  const Outcome passes = shell("qe-inspect " + kShapes + " --passes");
  CHECK(passes.out.starts_with("before all passes:\n"));
  CHECK(passes.out.find("after fold_batch_norm") != std::string::npos);
}

}  // namespace
}  // namespace qe::tools
