// Speed of qe-eval on images against its two parts, each alone on the same CPUs: reading, decoding
// and resizing (t_decode), and the network (t_compute). Rounds alternate between the three, each
// over the whole set; medians over the rounds. Were nothing wasted and nothing gained by doing both
// at a time, an evaluation would take the sum of the two. Prints a Markdown table.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <qe/error.h>
#include <qe/image_classifier.h>

#include "tools/eval/evaluation.h"
#include "tools/support/image_data.h"
#include "tools/support/image_stream.h"
#include "tools/support/models.h"
#include "tools/support/run_tool.h"
#include "tools/support/statistics/percentiles.h"

namespace {

using qe::tools::ImageStream;
using qe::tools::SharedFlags;

struct Options {
  std::string model;
  std::string data;
  int rounds = 5;
  SharedFlags flags;
};

template <class Body>
double seconds_of(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// All images of the set through the stream that qe-eval has, to `take`; their number.
template <class Take>
std::size_t decode_all(const Options& options, const qe::ImageInput& input, const Take& take) {
  const auto source = qe::tools::open_images(
      options.data,
      {.labels = {}, .labelled = false, .decode = qe::tools::decode_options(options.flags)});
  ImageStream stream(
      *source,
      {.input = input, .threads = options.flags.threads, .capacity = 2 * options.flags.batch});
  std::size_t images = 0;
  for (qe::tools::ImageSample sample; stream.next(sample); ++images) take(sample);
  return images;
}

void row(const char* what, const std::vector<double>& seconds, std::size_t images) {
  const double each = qe::tools::median(seconds) / static_cast<double>(images);
  std::printf("| %s | %.1f | %.0f |\n", what, 1e6 * each, 1 / each);
}

int run(int argc, const char* const* argv) {
  Options options;
  options.flags.batch = 32;
  CLI::App app;
  qe::tools::describe(app, "bench_image_eval", "qe-eval's images a second and those of its parts.",
                      "  bench_image_eval MODEL_DIR --data test.tsv --threads 2\n");
  app.add_option("MODEL_DIR", options.model)->required();
  app.add_option("--data", options.data, "Labelled images, as for qe-eval")->required();
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 1000));
  qe::tools::add_batch(app, options.flags);
  qe::tools::add_threads(app, options.flags);
  qe::tools::add_images(app, options.flags);
  qe::tools::add_engine(app, options.flags);
  qe::tools::parse(app, argc, argv, options.flags);

  auto classifier = qe::ImageClassifier::open(
      options.model, qe::tools::image_classifier_options(options.flags, options.flags.batch));
  std::vector<std::uint8_t> pixels;
  const std::size_t images =
      decode_all(options, classifier.input(), [&](const qe::tools::ImageSample& sample) {
        pixels.insert(pixels.end(), sample.image.rgb.begin(), sample.image.rgb.end());
      });
  if (images == 0) throw qe::DataError({.problem = "has no images", .file = options.data});
  std::vector<double> decode, compute, both;
  for (int round = 0; round < options.rounds && !qe::tools::interrupted(); ++round) {
    decode.push_back(
        seconds_of([&] { decode_all(options, classifier.input(), [](const auto&) {}); }));
    compute.push_back(seconds_of([&] { classifier.classify_pixels(pixels); }));
    both.push_back(seconds_of([&] {
      qe::tools::evaluate_images(options.model, {.data = options.data, .flags = options.flags}, {},
                                 nullptr);
    }));
  }
  std::printf("%zu images, batches of %d, %d threads, %d rounds\n\n", images, options.flags.batch,
              options.flags.threads, static_cast<int>(both.size()));
  std::printf("| | microseconds an image | images/s |\n|---|--:|--:|\n");
  row("decoding alone", decode, images);
  row("network alone", compute, images);
  row("evaluation", both, images);
  const double sum = qe::tools::median(decode) + qe::tools::median(compute);
  std::printf("\nEvaluation at %.1f %% of 1 / (t_decode + t_compute)\n",
              100 * sum / qe::tools::median(both));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return qe::tools::run_tool("bench_image_eval", [&] { return run(argc, argv); });
}
