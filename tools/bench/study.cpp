// The sweep over cases: capacities first, so that each model is compiled once for all of them.
#include "tools/bench/study.h"

#include <algorithm>
#include <utility>

#include "tools/support/models.h"

namespace qe::tools {

Study run_study(std::span<const std::string> models, const StudyOptions& options,
                const std::function<void(std::size_t done, std::size_t total)>& progress) {
  const std::vector<int> lengths = options.data.empty() ? options.seq_lens : std::vector<int>{0};
  const int most_texts = *std::max_element(options.batches.begin(), options.batches.end());
  std::vector<std::vector<Request>> real;  // by batch
  int longest = *std::max_element(lengths.begin(), lengths.end());
  int most_tokens = longest * most_texts;
  if (!options.data.empty()) {
    const DirectoryTokenizer source = open_tokenizer(models.front(), options.flags);
    for (const int batch : options.batches) {
      real.push_back(data_requests(options.data, source.tokenizer, source.max_length, batch));
      longest = std::max(longest, longest_text(real.back()));
      for (const Request& request : real.back())
        most_tokens = std::max(most_tokens, request.tokens());
    }
  }
  Study study;
  for (const std::string& model : models) {
    study.contestants.push_back(
        open_contestant(model, options.flags, most_tokens, most_texts, longest));
  }
  int vocab = study.contestants.front().vocab_size;
  for (const Contestant& one : study.contestants) vocab = std::min(vocab, one.vocab_size);
  const std::size_t total = options.threads.size() * options.batches.size() * lengths.size();
  for (const int threads : options.threads) {
    for (std::size_t b = 0; b < options.batches.size(); ++b) {
      for (const int length : lengths) {
        progress(study.cases.size(), total);
        CaseInputs inputs{.requests = {}, .threads = threads};
        if (real.empty()) {
          inputs.requests.push_back(
              random_request(options.batches[b], length, vocab, options.flags.seed));
        } else {
          inputs.requests = real[b];
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
