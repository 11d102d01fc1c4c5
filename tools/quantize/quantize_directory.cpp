// The steps in order. Accuracy is measured on a copy in the temporary folder before the directory
// itself is written, because the recipe inside holds it.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/model.h>
#include <qe/save.h>

#include "tools/quantize/recipe.h"
#include "tools/support/file_info.h"
#include "tools/support/image_data.h"
#include "tools/support/image_stream.h"
#include "tools/support/models.h"
#include "tools/support/progress.h"
#include "tools/support/temporary_folder.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;

std::vector<CalibrationText> calibration_texts(const QuantizeRequest& request) {
  std::ifstream stream(request.calibration, std::ios::binary);
  if (!stream) throw IoError({.problem = std::strerror(errno), .file = request.calibration});
  const DirectoryTokenizer source = open_tokenizer(request.model, request.flags);
  Dataset dataset(stream, request.calibration, {.labelled = false});
  std::vector<CalibrationText> texts;
  Encoding encoding;
  for (Row row; dataset.next(row);) {
    if (request.calibration_rows > 0 && texts.size() == request.calibration_rows) break;
    source.tokenizer.encode(row.text, row.pair, source.max_length, encoding);
    texts.push_back({.ids = encoding.ids, .type_ids = encoding.type_ids});
  }
  if (texts.empty()) {
    throw DataError({.problem = "has no rows to calibrate with", .file = request.calibration});
  }
  return texts;
}

Calibration calibrate_texts(const QuantizeRequest& request, const Model& model,
                            QuantizeOutcome& outcome) {
  const std::vector<CalibrationText> texts = calibration_texts(request);
  outcome.calibration_samples = texts.size();
  outcome.calibration_xxh64 = describe_file(request.calibration).xxh64;
  Progress progress("calibrating: texts", texts.size(), request.flags);
  return calibrate(model, texts, request.flags.threads,
                   [&](std::size_t done) { progress.update(done); });
}

Calibration calibrate_images(const QuantizeRequest& request, const Model& model,
                             QuantizeOutcome& outcome) {
  const SharedFlags& flags = request.flags;
  const auto set = open_images(request.calibration,
                               {.labels = {}, .labelled = false, .decode = decode_options(flags)});
  ImageStream stream(*set, {.input = *model.image, .threads = flags.threads});
  ImageSample sample;
  if (!stream.next(sample)) {
    throw DataError({.problem = "has no images to calibrate with", .file = request.calibration});
  }
  Checksum checksum;
  bool more = true;
  Progress progress("calibrating: images", request.calibration_rows, flags);
  const auto take = [&](std::vector<std::uint8_t>& pixels) {
    if (!more) return false;
    checksum.add(sample.image.rgb);
    pixels = std::move(sample.image.rgb);
    ++outcome.calibration_samples;
    more = outcome.calibration_samples != request.calibration_rows && stream.next(sample);
    return true;
  };
  Calibration calibration =
      calibrate(model, take, flags.threads, [&](std::size_t done) { progress.update(done); });
  outcome.calibration_xxh64 = checksum.digits();
  return calibration;
}

// Nothing if the model and the scheme need none.
std::optional<Calibration> calibrate_with(const QuantizeRequest& request, const Model& model,
                                          QuantizeOutcome& outcome) {
  const auto refuse = [](const char* problem) {
    throw UsageError({.problem = problem, .name = "--calibration"});
  };
  const bool is_static = request.method.activations == ActivationScheme::kStatic;
  if (request.calibration.empty()) {
    if (needs_calibration(model)) {
      refuse("convolutional networks need images to calibrate with");
    }
    if (is_static) {
      refuse(model.image ? "static activations need images to calibrate with"
                         : "static activations need texts to calibrate with");
    }
    return std::nullopt;
  }
  if (!is_static && !needs_calibration(model)) refuse("is for --activations static alone");
  return model.image ? calibrate_images(request, model, outcome)
                     : calibrate_texts(request, model, outcome);
}

// Size and, with data, accuracy of what would be written.
void try_out(const QuantizeRequest& request, const Checkpoint& quantized,
             QuantizeOutcome& outcome) {
  const TemporaryFolder folder("qe-quantize");
  const fs::path trial = folder.path() / "model";
  write_quantized(quantized, request.model, trial);
  outcome.bytes_after = weight_file_bytes(trial);
  if (request.data.empty()) return;
  EvaluationOptions options;
  options.data = request.data;
  options.flags = request.flags;
  Progress progress("evaluating: rows", 0, request.flags);
  EvaluationHooks hooks;
  hooks.on_progress = [&](std::size_t rows) { progress.update(rows); };
  outcome.accuracy = evaluate(trial, options, hooks);
}

void require_free_output(const QuantizeRequest& request) {
  if (!request.dry_run && !request.force && fs::exists(request.output)) {
    throw UsageError({.problem = "exists already; --force replaces it", .file = request.output});
  }
}

}  // namespace

QuantizeOutcome quantize_directory(const QuantizeRequest& request) {
  require_free_output(request);
  const Checkpoint checkpoint =
      load_checkpoint(request.model, {.use_mmap = !request.flags.no_mmap});
  if (checkpoint.quantized()) {
    throw LoadError({.problem = "is quantized already", .file = request.model});
  }
  QuantizeOutcome outcome;
  outcome.bytes_before = weight_file_bytes(request.model);
  const Model model = build_model(checkpoint);
  outcome.images = model.image.has_value();
  const std::optional<Calibration> calibration = calibrate_with(request, model, outcome);
  const Checkpoint quantized =
      quantize(checkpoint, request.method, calibration ? &*calibration : nullptr, &outcome.tensors);
  if (request.dry_run || !request.data.empty()) try_out(request, quantized, outcome);
  if (request.dry_run) return outcome;
  write_quantized(quantized, request.model, request.output,
                  {.force = request.force, .recipe = recipe_json(request, outcome).dump(2)});
  outcome.bytes_after = weight_file_bytes(request.output);
  return outcome;
}

}  // namespace qe::tools
