// Bare state dicts: a safetensors file without config.json, alone or in a directory.
#include <doctest/doctest.h>

#include "tests/loaders/support.h"

#include <qe/load.h>
#include <qe/model.h>

namespace {

namespace fs = std::filesystem;
using qe::test::error_of;
using qe::test::TempDir;

const fs::path kNarrow = fs::path(QE_SOURCE_DIR) / "tests/data/image_models/mobilenet_v2-narrow";

TEST_CASE("a directory with one safetensors file, and that file itself, are a state dict") {
  for (const fs::path& path : {kNarrow, kNarrow / "mobilenet_v2.safetensors"}) {
    for (const bool use_mmap : {true, false}) {
      const qe::Checkpoint checkpoint = qe::load_checkpoint(path, {.use_mmap = use_mmap});
      CHECK(checkpoint.config.string("architecture") == "mobilenet_v2");
      CHECK(checkpoint.source.ends_with("mobilenet_v2.safetensors"));
      CHECK_FALSE(checkpoint.quantized());
      const qe::Model model = qe::build_model(checkpoint);
      CHECK(model.architecture == "mobilenet_v2");
      CHECK(model.labels == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
      REQUIRE(model.image.has_value());
      CHECK(model.image->height == 224);
      CHECK(model.image->resize_height == 256);
    }
  }
}

TEST_CASE("a state dict that is unknown, damaged or one of several is refused") {
  TempDir dir;
  const std::string sound = qe::test::read_file(kNarrow / "mobilenet_v2.safetensors");
  const fs::path file = dir / "m.safetensors";
  const auto refused = [&](const fs::path& path) {
    return error_of<qe::LoadError>([&] { qe::load_checkpoint(path); });
  };
  qe::test::write_file(file, qe::test::image(R"({"w":{"dtype":"F32","shape":[1],)"
                                             R"("data_offsets":[0,4]}})",
                                             std::string(4, '\0')));
  for (const fs::path& path : {file, dir.path()}) {
    const auto detail = error_of<qe::UnsupportedError>([&] { qe::load_checkpoint(path); });
    CHECK(detail.name == "config.json");
    CHECK(detail.expected.find("mobilenet_v2") != std::string::npos);
  }
  qe::test::write_file(file, sound.substr(0, sound.size() / 2));
  CHECK(refused(file).file == file.string());
  CHECK(refused(dir.path()).file == file.string());
  qe::test::write_file(file, sound);
  CHECK_NOTHROW(qe::load_checkpoint(dir.path()));
  qe::test::write_file(dir / "other.safetensors", sound);
  CHECK(refused(dir.path()).name == "config.json");
  fs::remove(file);
  fs::remove(dir / "other.safetensors");
  CHECK(refused(dir.path()).name == "config.json");
  qe::test::write_file(dir / "outside", sound);
  fs::create_directory(dir / "model");
  fs::create_symlink("../outside", dir / "model/link.safetensors");
  CHECK(refused(dir / "model").problem == "symbolic link leads out of the model directory");
  fs::create_directory(dir / "folder.safetensors");
  CHECK(refused(dir / "folder.safetensors").name == "config.json");
}

TEST_CASE("Hugging Face keeps what images are to be in a file of its own") {
  TempDir dir;
  const fs::path source = fs::path(QE_SOURCE_DIR) / "tests/data/image_models";
  fs::copy(source / "vit-hugging-face-narrow", dir / "vit");
  const auto image = [&] { return *qe::build_model(qe::load_checkpoint(dir / "vit")).image; };
  CHECK(image().mean[0] == doctest::Approx(0.485));
  qe::test::write_file(dir / "vit/preprocessor_config.json",
                       R"({"image_processor_type": "ViTImageProcessor", "resample": 3,
                           "size": {"height": 24, "width": 24}, "image_mean": [0.1, 0.2, 0.3],
                           "image_std": [0.5, 0.6, 0.7]})");
  CHECK(image().height == 24);
  CHECK(image().interpolation == qe::Interpolation::kBicubic);
  CHECK(image().mean[2] == doctest::Approx(0.3));
  CHECK(image().std[1] == doctest::Approx(0.6));
  qe::test::write_file(dir / "vit/preprocessor_config.json",
                       R"({"size": {"height": 32, "width": 32}})");
  const auto other_size = error_of<qe::LoadError>(image);
  CHECK(other_size.file.ends_with("preprocessor_config.json"));
  CHECK(other_size.actual == "32 x 32");
}

}  // namespace
