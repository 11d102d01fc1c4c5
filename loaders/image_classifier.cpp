// Wires a directory's parts together: checkpoint, model, plan, session; then packs images into runs
// of the plan's capacity.
#include <qe/image_classifier.h>

#include <algorithm>
#include <utility>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/session.h>

#include "loaders/classification.h"

namespace qe {

struct ImageClassifier::Impl {
  Impl(Model m, const ImageClassifierOptions& options)
      : model(std::move(m)),
        decode(options.decode),
        session(Plan::compile(model, {.max_sequences = options.max_images,
                                      .threads = options.threads,
                                      .isa = options.isa,
                                      .device = options.device}),
                {.threads = options.threads, .pin_threads = options.pin_threads}) {
    // The plan holds the packed weights.
    for (Value& value : model.graph.values) value.constant.clear();
  }

  std::size_t image_bytes() const { return session.plan().image_bytes(); }

  // Runs whole images, at most as many as one run holds, and appends their answers.
  void run(std::span<const std::uint8_t> pixels, std::vector<Classification>& answers) {
    const std::span<const float> logits = session.run(ImageBatch{.pixels = pixels});
    const std::size_t labels = model.labels.size();
    for (std::size_t i = 0; i < pixels.size() / image_bytes(); ++i) {
      answers.push_back(classification_of(logits.subspan(i * labels, labels), model.problem));
    }
  }

  std::vector<Classification> classify_pixels(std::span<const std::uint8_t> pixels) {
    if (pixels.size() % image_bytes() != 0) {
      throw UsageError({.problem = "pixels are not those of whole images",
                        .expected = "a multiple of " + std::to_string(image_bytes()) + " bytes",
                        .actual = std::to_string(pixels.size()) + " bytes"});
    }
    const auto capacity = static_cast<std::size_t>(session.plan().max_sequences()) * image_bytes();
    std::vector<Classification> answers;
    for (std::size_t done = 0; done < pixels.size(); done += capacity) {
      run(pixels.subspan(done, std::min(capacity, pixels.size() - done)), answers);
    }
    return answers;
  }

  std::vector<Classification> classify(std::span<const Image> images) {
    const auto capacity = static_cast<std::size_t>(session.plan().max_sequences()) * image_bytes();
    std::vector<Classification> answers;
    std::vector<std::uint8_t> pixels;
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Image prepared = preprocess(images[i], *model.image);
      pixels.insert(pixels.end(), prepared.rgb.begin(), prepared.rgb.end());
      if (pixels.size() < capacity && i + 1 < images.size()) continue;
      run(pixels, answers);
      pixels.clear();
    }
    return answers;
  }

  Model model;
  DecodeOptions decode;
  Session session;
};

ImageClassifier ImageClassifier::open(const std::filesystem::path& directory,
                                      const ImageClassifierOptions& options) {
  Model model = build_model(load_checkpoint(directory, {.use_mmap = options.use_mmap}));
  if (!model.image) {
    throw UsageError({.problem = "is a model of texts, not of images", .file = directory.string()});
  }
  return ImageClassifier(std::make_unique<Impl>(std::move(model), options));
}

ImageClassifier::ImageClassifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageClassifier::~ImageClassifier() = default;
ImageClassifier::ImageClassifier(ImageClassifier&&) noexcept = default;
ImageClassifier& ImageClassifier::operator=(ImageClassifier&&) noexcept = default;

Classification ImageClassifier::classify(const std::filesystem::path& file) {
  return classify(decode_image(file, impl_->decode));
}
Classification ImageClassifier::classify(const Image& image) {
  return std::move(impl_->classify({&image, 1}).front());
}
std::vector<Classification> ImageClassifier::classify(std::span<const Image> images) {
  return impl_->classify(images);
}
std::vector<Classification> ImageClassifier::classify_pixels(std::span<const std::uint8_t> pixels) {
  return impl_->classify_pixels(pixels);
}

const std::vector<std::string>& ImageClassifier::labels() const { return impl_->model.labels; }
ProblemType ImageClassifier::problem() const { return impl_->model.problem; }
const ImageInput& ImageClassifier::input() const { return *impl_->model.image; }
const Plan& ImageClassifier::plan() const { return impl_->session.plan(); }
const Model& ImageClassifier::model() const { return impl_->model; }

}  // namespace qe
