// The pass over images.
#include <memory>
#include <utility>

#include <qe/error.h>
#include <qe/image_classifier.h>

#include "tools/eval/evaluation.h"
#include "tools/support/file_info.h"
#include "tools/support/image_data.h"
#include "tools/support/image_stream.h"
#include "tools/support/models.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

// Images of one run.
struct Batch {
  std::vector<ImageSample> samples;
  std::vector<std::uint8_t> pixels;

  // False if there are no more images.
  bool fill(ImageStream& stream, std::size_t size) {
    samples.clear();
    pixels.clear();
    for (ImageSample sample; samples.size() < size && stream.next(sample);) {
      pixels.insert(pixels.end(), sample.image.rgb.begin(), sample.image.rgb.end());
      samples.push_back(std::move(sample));
    }
    return !samples.empty();
  }
};

}  // namespace

Evaluation evaluate_images(const std::filesystem::path& directory, const EvaluationOptions& options,
                           const EvaluationHooks& hooks, Samples* samples) {
  const SharedFlags& flags = options.flags;
  ImageClassifier classifier =
      ImageClassifier::open(directory, image_classifier_options(flags, flags.batch));
  if (classifier.problem() == ProblemType::kMultiLabel) {
    throw UsageError({.problem = "is a multi-label model of images, which have one label each",
                      .file = directory.string()});
  }
  Evaluation result(directory.string(), classifier.model(), classifier.plan(), 0);
  const auto source = open_images(
      options.data, {.labels = result.labels, .labelled = true, .decode = decode_options(flags)});
  // A batch to be decoded while another one runs.
  ImageStream stream(*source, {.input = classifier.input(),
                               .threads = flags.threads,
                               .capacity = 2 * flags.batch,
                               .on_error = options.on_error,
                               .on_skip = hooks.on_skip});
  Checksum checksum;
  Batch batch;
  while (!interrupted() && batch.fill(stream, static_cast<std::size_t>(flags.batch))) {
    checksum.add(batch.pixels);
    const std::vector<Classification> answers =
        stream.beside(flags.threads, [&] { return classifier.classify_pixels(batch.pixels); });
    for (std::size_t i = 0; i < answers.size(); ++i) {
      ImageSample& sample = batch.samples[i];
      const int label = sample.label.value();
      result.add({&label, 1}, answers[i]);
      if (hooks.on_row) {
        hooks.on_row(result, {.line = sample.number, .image = sample.name, .labels = {&label, 1}},
                     answers[i]);
      }
      if (samples != nullptr && samples->size() < options.sample) {
        samples->images.push_back(std::move(sample.image.rgb));
      }
    }
    if (hooks.on_progress) hooks.on_progress(result.rows());
  }
  result.pixels_xxh64 = checksum.digits();
  result.skipped = stream.skipped();
  result.complete = !interrupted();
  return result;
}

}  // namespace qe::tools
