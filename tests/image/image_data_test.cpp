// Sets of images: tables, class folders, CIFAR-10 records and plain files, and what they refuse.
#include <string>
#include <vector>

#include <qe/error.h>

#include "tests/image/support.h"
#include "tools/support/image_data.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TempDir;
using test::write_file;

const ImageDataOptions kOptions = {.labels = {"cat", "dog", "emu"}, .labelled = true, .decode = {}};
const ImageDataOptions kUnlabelled = {.labels = {}, .labelled = false, .decode = {}};

std::vector<ImageRow> read_all(ImageSource& source) {
  std::vector<ImageRow> rows;
  for (ImageRow row; source.next(row);) rows.push_back(row);
  return rows;
}

std::string one_pixel() { return test::read_file(test::kImages / "1x1.png"); }

TEST_CASE("a table: paths relative to its folder, labels by name and index") {
  const TempDir folder;
  fs::create_directory(folder / "in");
  write_file(folder / "in/a.png", one_pixel());
  write_file(folder / "t.tsv", "extra\timage\tlabel\n1\tin/a.png\tdog\n2\tin/../in/a.png\t2\n");
  const auto source = open_images(folder / "t.tsv", kOptions);
  const auto rows = read_all(*source);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].number == 2);
  CHECK(rows[0].name == (folder / "in/a.png").string());
  CHECK(rows[0].label == 1);
  CHECK(rows[1].label == 2);
  CHECK(rows[1].decode().rgb == std::vector<std::uint8_t>{1, 2, 3});

  write_file(folder / "u.tsv", "image\nin/a.png\nabsent.png\n");
  const auto unlabelled = open_images(folder / "u.tsv", kUnlabelled);
  const auto more = read_all(*unlabelled);
  REQUIRE(more.size() == 2);
  CHECK_FALSE(more[0].label.has_value());
  CHECK(error_of<DataError>([&] { more[1].decode(); }).file == (folder / "absent.png").string());
}

TEST_CASE("a table's refusals name the line, and the rest can be read") {
  const TempDir folder;
  const auto open_table = [&](const std::string& text) {
    write_file(folder / "t.tsv", text);
    return open_images(folder / "t.tsv", kOptions);
  };
  CHECK(error_of<DataError>([&] { open_table("path\tlabel\n"); }).problem == "missing column");
  CHECK(error_of<DataError>([&] { open_table("image\n"); }).expected == "\"label\"");
  CHECK(error_of<DataError>([&] { open_table(""); }).problem == "is empty");
  CHECK_THROWS_AS(open_images(folder / "none.tsv", kOptions), IoError);

  const auto source = open_table(
      "image\tlabel\na.png\tcow\na.png\t3\n/etc/x.png\tcat\n../a.png\tcat\nb/../../a.png\tcat\n"
      "\tcat\na.png\na.png\tcat\n");
  const std::vector<std::string> problems = {"unknown label",
                                             "unknown label",
                                             "unusable path of an image",
                                             "unusable path of an image",
                                             "unusable path of an image",
                                             "unusable path of an image",
                                             "wrong number of columns"};
  ImageRow row;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const ErrorDetail detail = error_of<DataError>([&] { source->next(row); });
    CHECK(detail.problem == problems[i]);
    CHECK(detail.name == "line " + std::to_string(i + 2));
  }
  CHECK(source->next(row));
  CHECK(row.label == 0);
  CHECK_FALSE(source->next(row));
}

TEST_CASE("class folders: by name, by index, by order") {
  const TempDir folder;
  const auto add = [&](const std::string& file) {
    fs::create_directories((folder / file).parent_path());
    write_file(folder / file, one_pixel());
  };
  add("set/emu/b.PNG");
  add("set/cat/z.jpg");
  add("set/cat/deep/a.webp");
  add("set/cat/notes.txt");
  add("set/readme.png");
  auto rows = read_all(*open_images(folder / "set", kOptions));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].name == (folder / "set/cat/deep/a.webp").string());
  CHECK(rows[0].label == 0);
  CHECK(rows[1].name == (folder / "set/cat/z.jpg").string());
  CHECK(rows[2].label == 2);
  CHECK(rows[2].number == 3);
  CHECK(read_all(*open_images(folder / "set", kUnlabelled)).size() == 4);

  add("set/1/c.png");
  rows = read_all(*open_images(folder / "set", kOptions));
  CHECK(rows.front().label == 1);

  add("order/n01/a.png");
  add("order/n02/a.png");
  CHECK(error_of<DataError>([&] { open_images(folder / "order", kOptions); }).problem ==
        "a folder is not a label");
  add("order/n03/a.png");
  rows = read_all(*open_images(folder / "order", kOptions));
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].label == 1);
  fs::create_directory(folder / "bare");
  CHECK(error_of<DataError>([&] { open_images(folder / "bare", kOptions); }).problem ==
        "has no folders");
}

TEST_CASE("CIFAR-10 records") {
  const TempDir folder;
  constexpr std::size_t kPlane = 1024;
  std::string record(1 + 3 * kPlane, '\0');
  for (std::size_t i = 0; i < 3 * kPlane; ++i) record[1 + i] = static_cast<char>(i / 7);
  std::string bytes = record + record + record;
  bytes[record.size()] = 2;
  bytes[2 * record.size()] = 3;
  write_file(folder / "set.bin", bytes);
  const auto source = open_images(folder / "set.bin", kOptions);
  ImageRow row;
  REQUIRE(source->next(row));
  CHECK(row.label == 0);
  REQUIRE(source->next(row));
  CHECK(row.label == 2);
  CHECK(row.name == (folder / "set.bin").string() + ": record 2");
  const Image image = row.decode();
  CHECK(image.width == 32);
  CHECK(image.height == 32);
  REQUIRE(image.rgb.size() == 3 * kPlane);
  for (std::size_t i = 0; i < kPlane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      REQUIRE(int{image.rgb[3 * i + c]} == static_cast<int>((c * kPlane + i) / 7 % 256));
    }
  }
  const ErrorDetail detail = error_of<DataError>([&] { source->next(row); });
  CHECK(detail.name == "record 3");
  CHECK(detail.expected == "0 to 2");
  CHECK_FALSE(source->next(row));
  CHECK(read_all(*open_images(folder / "set.bin", kUnlabelled)).size() == 3);

  for (const std::string& bad : {std::string(), record + "x", record.substr(1)}) {
    write_file(folder / "bad.bin", bad);
    CHECK(error_of<DataError>([&] { open_images(folder / "bad.bin", kOptions); }).problem ==
          "is not a CIFAR-10 file");
  }
  CHECK_THROWS_AS(open_images(folder / "none.bin", kOptions), IoError);
}

TEST_CASE("files and directories of files") {
  const TempDir folder;
  fs::create_directories(folder / "d/e");
  write_file(folder / "d/b.png", one_pixel());
  write_file(folder / "d/e/a.jpeg", one_pixel());
  write_file(folder / "any.name", one_pixel());
  const auto rows =
      read_all(*open_image_files({(folder / "any.name").string(), (folder / "d").string()}, {}));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].decode().rgb == std::vector<std::uint8_t>{1, 2, 3});
  CHECK(rows[1].name == (folder / "d/b.png").string());
  CHECK(rows[2].name == (folder / "d/e/a.jpeg").string());
  CHECK(rows[2].number == 3);
}

TEST_CASE("paths that lead to no image are refused in their turn") {
  const TempDir folder;
  fs::create_directory(folder / "none");
  write_file(folder / "a.png", one_pixel());
  const auto source = open_image_files(
      {(folder / "none").string(), (folder / "x").string(), (folder / "a.png").string()}, {});
  ImageRow row;
  const ErrorDetail empty = error_of<DataError>([&] { source->next(row); });
  CHECK(empty.problem == "has no images");
  CHECK(empty.file == (folder / "none").string());
  REQUIRE(source->next(row));
  const ErrorDetail absent = error_of<DataError>([&] { row.decode(); });
  CHECK(absent.problem == "no such file");
  CHECK(absent.file == (folder / "x").string());
  REQUIRE(source->next(row));
  CHECK(row.decode().rgb == std::vector<std::uint8_t>{1, 2, 3});
  CHECK_FALSE(source->next(row));
}

}  // namespace
}  // namespace qe::tools
