// Wires a directory's parts together: checkpoint, tokenizer, model, plan, session; then packs texts
// into runs of the plan's capacity.
#include <qe/text_classifier.h>

#include <algorithm>
#include <utility>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/session.h>

#include "loaders/classification.h"

namespace qe {
namespace {

constexpr int kDefaultTokens = 1024;

void check_vocabulary(const Tokenizer& tokenizer, const Model& model,
                      const std::filesystem::path& directory) {
  if (tokenizer.vocab_size() == model.vocab_size) return;
  throw LoadError({.problem = "vocabulary and embedding table differ in size",
                   .file = directory.string(),
                   .name = "vocab_size",
                   .expected = std::to_string(model.vocab_size) + " tokens",
                   .actual = std::to_string(tokenizer.vocab_size())});
}

int choose_max_length(int wanted, const Tokenizer& tokenizer, const Model& model) {
  if (wanted == 0) return tokenizer.default_max_length(model.max_positions);
  constexpr int kShortest = 2;  // [CLS] and [SEP]
  if (wanted < kShortest || wanted > model.max_positions) {
    throw UsageError(
        {.problem = "maximum length out of range",
         .name = "max_length",
         .expected = std::to_string(kShortest) + " to " + std::to_string(model.max_positions),
         .actual = std::to_string(wanted)});
  }
  return wanted;
}

// Texts of one run, packed.
struct Packed {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  std::vector<std::int32_t> offsets = {0};

  void add(const Encoding& encoding) {
    ids.insert(ids.end(), encoding.ids.begin(), encoding.ids.end());
    type_ids.insert(type_ids.end(), encoding.type_ids.begin(), encoding.type_ids.end());
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
  void clear() {
    ids.clear();
    type_ids.clear();
    offsets.assign(1, 0);
  }
  std::size_t sequences() const { return offsets.size() - 1; }
};

}  // namespace

struct TextClassifier::Impl {
  Impl(Tokenizer t, Model m, const TextClassifierOptions& options)
      : tokenizer(std::move(t)),
        max_length(choose_max_length(options.max_length, tokenizer, m)),
        model(std::move(m)),
        session(compile(options),
                {.threads = options.threads, .pin_threads = options.pin_threads}) {
    // The plan holds the packed weights and, in the mapped file, the embedding tables.
    for (Value& value : model.graph.values) value.constant.clear();
  }

  std::shared_ptr<const Plan> compile(const TextClassifierOptions& options) const {
    const int wanted = options.max_tokens == 0 ? kDefaultTokens : options.max_tokens;
    return Plan::compile(model, {.max_tokens = std::max(wanted, max_length),
                                 .max_sequences = options.max_sequences,
                                 .threads = options.threads,
                                 .isa = options.isa});
  }

  // Runs what is packed and fills the results' logits, first to last.
  void flush(Packed& packed, std::span<Classification> results) {
    const std::span<const float> logits = session.run(
        {.token_ids = packed.ids, .type_ids = packed.type_ids, .offsets = packed.offsets});
    const std::size_t labels = model.labels.size();
    for (std::size_t s = 0; s < packed.sequences(); ++s) {
      Classification answer = classification_of(logits.subspan(s * labels, labels), model.problem);
      answer.tokens = results[s].tokens;
      answer.truncated = results[s].truncated;
      results[s] = std::move(answer);
    }
    packed.clear();
  }

  std::vector<Classification> classify(std::span<const TextInput> inputs) {
    std::vector<Classification> results(inputs.size());
    const auto max_tokens = static_cast<std::size_t>(session.plan().max_tokens());
    const auto max_sequences = static_cast<std::size_t>(session.plan().max_sequences());
    Packed packed;
    std::size_t first = 0;  // result of the first packed text
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      tokenizer.encode(inputs[i].text, inputs[i].pair, max_length, encoding);
      const bool full = packed.ids.size() + encoding.ids.size() > max_tokens ||
                        packed.sequences() == max_sequences;
      if (full) {
        flush(packed, std::span(results).subspan(first, i - first));
        first = i;
      }
      if (model.type_vocab_size < 2) {
        std::fill(encoding.type_ids.begin(), encoding.type_ids.end(), 0);
      }
      packed.add(encoding);
      results[i].tokens = static_cast<int>(encoding.ids.size());
      results[i].truncated = encoding.truncated;
    }
    if (packed.sequences() > 0) flush(packed, std::span(results).subspan(first));
    return results;
  }

  Tokenizer tokenizer;
  int max_length;
  Model model;
  Session session;
  Encoding encoding;
};

TextClassifier TextClassifier::open(const std::filesystem::path& directory,
                                    const TextClassifierOptions& options) {
  const Checkpoint checkpoint = load_checkpoint(directory, {.use_mmap = options.use_mmap});
  Model model = build_model(checkpoint);
  if (model.image) {
    throw UsageError({.problem = "is a model of images, not of texts", .file = directory.string()});
  }
  Tokenizer tokenizer = load_tokenizer(directory);
  check_vocabulary(tokenizer, model, directory);
  return TextClassifier(std::make_unique<Impl>(std::move(tokenizer), std::move(model), options));
}

TextClassifier::TextClassifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TextClassifier::~TextClassifier() = default;
TextClassifier::TextClassifier(TextClassifier&&) noexcept = default;
TextClassifier& TextClassifier::operator=(TextClassifier&&) noexcept = default;

Classification TextClassifier::classify(std::string_view text) {
  const TextInput input{text, std::nullopt};
  return std::move(impl_->classify({&input, 1}).front());
}
std::vector<Classification> TextClassifier::classify(std::span<const TextInput> inputs) {
  return impl_->classify(inputs);
}

const std::vector<std::string>& TextClassifier::labels() const { return impl_->model.labels; }
ProblemType TextClassifier::problem() const { return impl_->model.problem; }
const Tokenizer& TextClassifier::tokenizer() const { return impl_->tokenizer; }
int TextClassifier::max_length() const { return impl_->max_length; }
const Plan& TextClassifier::plan() const { return impl_->session.plan(); }
const Model& TextClassifier::model() const { return impl_->model; }

}  // namespace qe
