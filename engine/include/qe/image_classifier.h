// The shortest way in for images: a model directory to answers. Wraps loading, decoding, resizing,
// planning and running; every part is also public by itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <qe/classification.h>
#include <qe/device_spec.h>
#include <qe/image.h>
#include <qe/isa.h>
#include <qe/model.h>

namespace qe {

struct ImageClassifierOptions {
  int threads = 1;
  int max_images = 32;  // of one run
  Isa isa = default_isa();
  DeviceSpec device = {};  // no GPU runs images yet: UnsupportedError
  bool use_mmap = true;
  bool pin_threads = false;
  DecodeOptions decode = {};  // of files
};

class ImageClassifier {
 public:
  // Throws LoadError, UnsupportedError, IoError, ResourceError; UsageError for a model of texts.
  static ImageClassifier open(const std::filesystem::path& directory,
                              const ImageClassifierOptions& options = {});
  ~ImageClassifier();
  ImageClassifier(ImageClassifier&&) noexcept;
  ImageClassifier& operator=(ImageClassifier&&) noexcept;

  // Decodes the file. Throws as decode_image and preprocess.
  Classification classify(const std::filesystem::path& file);
  // Of any size. Throws as preprocess.
  Classification classify(const Image& image);
  // In the order given, as many a run as the capacity allows.
  std::vector<Classification> classify(std::span<const Image> images);
  // Images that preprocess() made for input(), one after another: [images][height][width][3].
  // Throws UsageError if these are not whole images.
  std::vector<Classification> classify_pixels(std::span<const std::uint8_t> pixels);

  const std::vector<std::string>& labels() const;
  ProblemType problem() const;
  const ImageInput& input() const;
  const class Plan& plan() const;
  const Model& model() const;  // graph and metadata; its weights are packed away in the plan

 private:
  struct Impl;
  explicit ImageClassifier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace qe
