// Batches of decoded images in, answers out.
#include "tools/run/run_images.h"

#include <cstdint>
#include <exception>
#include <iostream>
#include <utility>

#include <qe/image_classifier.h>

#include "tools/run/answers.h"
#include "tools/support/image_data.h"
#include "tools/support/image_stream.h"
#include "tools/support/models.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

class ImageAnswerer {
 public:
  ImageAnswerer(const ImageRequest& request, std::ostream& out)
      : classifier_(ImageClassifier::open(
            request.model, image_classifier_options(request.flags, request.flags.batch))),
        style_{.format = request.flags.format, .labels = classifier_.labels()},
        top_(request.top),
        out_(out) {
    write_image_header(out_, style_);
  }

  const ImageInput& input() const { return classifier_.input(); }
  std::size_t pending() const { return names_.size(); }

  void take(const ImageSample& sample) {
    names_.emplace_back(sample.number, sample.name);
    pixels_.insert(pixels_.end(), sample.image.rgb.begin(), sample.image.rgb.end());
  }

  // `stream` decodes the images to come.
  void flush(ImageStream& stream, int threads) {
    const std::vector<Classification> answers =
        stream.beside(threads, [&] { return classifier_.classify_pixels(pixels_); });
    for (std::size_t i = 0; i < answers.size(); ++i) {
      write_image_answer(out_, style_, answers[i], names_[i].second, names_[i].first, top_);
    }
    names_.clear();
    pixels_.clear();
  }

 private:
  ImageClassifier classifier_;
  AnswerStyle style_;
  int top_;
  std::ostream& out_;
  std::vector<std::pair<std::size_t, std::string>> names_;  // of the images not yet answered
  std::vector<std::uint8_t> pixels_;
};

}  // namespace

int run_images(const ImageRequest& request, Output& output) {
  const SharedFlags& flags = request.flags;
  const auto source = open_image_files(request.images, decode_options(flags));
  ImageAnswerer answerer(request, output.stream());
  // The stream reports every error in its turn; which of them end the run is decided here, so that
  // answers and messages keep their order.
  ImageStream stream(
      *source, {.input = answerer.input(), .threads = flags.threads, .capacity = 2 * flags.batch});
  const auto answer_pending = [&] {
    answerer.flush(stream, flags.threads);
    output.flush();
  };
  std::size_t bad = 0;
  std::size_t images = 0;
  ImageSample sample;
  for (bool more = true; more && !interrupted();) {
    try {
      more = stream.next(sample);
      if (!more) break;
      ++images;
      answerer.take(sample);
    } catch (const DataError& error) {
      answer_pending();
      if (request.on_error == OnError::kFail) throw;
      std::cerr << "qe-run: " << error.what() << "\n";
      ++bad;
    }
    if (answerer.pending() == static_cast<std::size_t>(flags.batch)) answer_pending();
  }
  answer_pending();
  if (bad > 0) {
    std::cerr << "qe-run: " << bad << " of " << bad + images << " images could not be used\n";
  }
  return interrupted() ? kExitInterrupted : kExitOk;
}

}  // namespace qe::tools
