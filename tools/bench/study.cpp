// The sweep over cases: capacities first, so that each model is compiled once for all of them.
#include "tools/bench/study.h"

#include <algorithm>
#include <utility>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/model.h>

#include "tools/support/models.h"

namespace qe::tools {
namespace {

ImageInput image_input(const std::string& model, const SharedFlags& flags) {
  return build_model(load_checkpoint(model, {.use_mmap = !flags.no_mmap})).image.value();
}

// All models must be of the kind of the first one.
bool classify_images(std::span<const std::string> models) {
  const InputKind kind = input_kind(models.front());
  for (const std::string& model : models) {
    if (input_kind(model) == kind) continue;
    throw UsageError({.problem = "one model is of texts, the other of images",
                      .file = model,
                      .expected = "models of one kind, as " + models.front()});
  }
  return kind == InputKind::kImage;
}

void add_images(const std::string& model, const StudyOptions& options, Workload& work) {
  if (options.seq_lens_given) {
    throw UsageError({.problem = "is for models of texts", .name = "--seq-len"});
  }
  const ImageInput input = image_input(model, options.flags);
  const auto bytes =
      static_cast<std::size_t>(input.height) * static_cast<std::size_t>(input.width) * 3;
  for (const int batch : options.batches) {
    if (options.data.empty()) {
      work.by_batch.push_back({random_images(batch, bytes, options.flags.seed)});
    } else {
      work.by_batch.push_back(image_requests(options.data, input, batch, options.flags));
    }
  }
}

void add_texts(const std::string& model, const StudyOptions& options, Workload& work) {
  if (options.data.empty()) {
    work.longest = *std::max_element(options.seq_lens.begin(), options.seq_lens.end());
    work.most_tokens = work.longest * work.most_samples;
    return;
  }
  const DirectoryTokenizer source = open_tokenizer(model, options.flags);
  for (const int batch : options.batches) {
    work.by_batch.push_back(
        data_requests(options.data, source.tokenizer, source.max_length, batch));
    work.longest = std::max(work.longest, longest_text(work.by_batch.back()));
    for (const Request& request : work.by_batch.back()) {
      work.most_tokens = std::max(work.most_tokens, request.tokens());
    }
  }
}

Contestant contestant_of(const std::string& model, const Workload& work,
                         const StudyOptions& options) {
  Contestant contestant = open_contestant(model, options.flags, std::max(work.most_tokens, 1),
                                          work.most_samples, work.longest);
  if (!work.images) return contestant;
  const auto& first = work.by_batch.front().front();
  const std::size_t bytes = first.pixels.size() / static_cast<std::size_t>(first.images);
  if (contestant.plan->image_bytes() != bytes) {
    throw UsageError({.problem = "takes images of another size than the first model",
                      .file = model,
                      .expected = std::to_string(bytes) + " bytes",
                      .actual = std::to_string(contestant.plan->image_bytes()) + " bytes"});
  }
  return contestant;
}

}  // namespace

Workload make_workload(std::span<const std::string> models, const StudyOptions& options) {
  Workload work;
  work.images = classify_images(models);
  work.most_samples = *std::max_element(options.batches.begin(), options.batches.end());
  if (work.images) {
    add_images(models.front(), options, work);
  } else {
    add_texts(models.front(), options, work);
  }
  return work;
}

Study run_study(std::span<const std::string> models, const StudyOptions& options,
                const std::function<void(std::size_t done, std::size_t total)>& progress) {
  const Workload work = make_workload(models, options);
  const std::vector<int> lengths = work.by_batch.empty() ? options.seq_lens : std::vector<int>{0};
  Study study;
  study.images = work.images;
  for (const std::string& model : models) {
    const Contestant contestant = contestant_of(model, work, options);
    study.contestants.push_back(contestant);
    for (const Variant& variant : options.variants) {
      study.contestants.push_back(contestant);  // its plan is shared
      study.contestants.back().variant = variant;
    }
  }
  int vocab = study.contestants.front().vocab_size;
  for (const Contestant& one : study.contestants) vocab = std::min(vocab, one.vocab_size);
  const std::size_t total = options.threads.size() * options.batches.size() * lengths.size();
  for (const int threads : options.threads) {
    for (std::size_t b = 0; b < options.batches.size(); ++b) {
      for (const int length : lengths) {
        progress(study.cases.size(), total);
        CaseInputs inputs{.requests = {}, .threads = threads};
        if (work.by_batch.empty()) {
          inputs.requests.push_back(
              random_request(options.batches[b], length, vocab, options.flags.seed));
        } else {
          inputs.requests = work.by_batch[b];
        }
        std::optional<StudyCase> result = run_case(study, inputs, options);
        if (!result) return study;
        result->threads = threads;
        result->batch = options.batches[b];
        result->seq_len = length;
        study.cases.push_back(std::move(*result));
      }
    }
  }
  return study;
}

}  // namespace qe::tools
