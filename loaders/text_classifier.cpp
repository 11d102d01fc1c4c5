// Wires a directory's parts together: checkpoint, tokenizer, model, plan, session; then packs texts
// into runs of the plan's capacity.
#include <qe/text_classifier.h>

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include <qe/cuda/session.h>
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

// A session and the run it has been given. On the CPU a run is over when start() returns; on a GPU
// it may be under way until finish().
class Lane {
 public:
  Lane(std::shared_ptr<const Plan> plan, const TextClassifierOptions& options)
      : session_(make(std::move(plan), options)) {}

  void start(const Packed& packed, std::span<Classification> results) {
    const TextBatch batch{
        .token_ids = packed.ids, .type_ids = packed.type_ids, .offsets = packed.offsets};
    if (auto* const cpu = std::get_if<Session>(&session_)) {
      logits_ = cpu->run(batch);
    } else {
      logits_ = std::get<cuda::Session>(session_).enqueue(batch, nullptr);
    }
    results_ = results;
  }

  // Fills in the results of the run before, if there is one.
  void finish(ProblemType problem) {
    const std::span<Classification> results = std::exchange(results_, {});
    if (results.empty()) return;
    wait();
    const std::size_t labels = logits_.size() / results.size();
    for (std::size_t s = 0; s < results.size(); ++s) {
      Classification answer = classification_of(logits_.subspan(s * labels, labels), problem);
      answer.tokens = results[s].tokens;
      answer.truncated = results[s].truncated;
      results[s] = std::move(answer);
    }
  }

  // Forgets a run whose results nobody waits for any more.
  void drop() {
    if (!std::exchange(results_, {}).empty()) wait();
  }

 private:
  using AnySession = std::variant<Session, cuda::Session>;

  static AnySession make(std::shared_ptr<const Plan> plan, const TextClassifierOptions& options) {
    if (options.device.kind == DeviceSpec::Kind::kCuda) return cuda::Session(std::move(plan));
    return Session(std::move(plan),
                   {.threads = options.threads, .pin_threads = options.pin_threads});
  }

  void wait() {
    if (auto* const gpu = std::get_if<cuda::Session>(&session_)) gpu->wait();
  }

  AnySession session_;
  std::span<const float> logits_;
  std::span<Classification> results_;
};

}  // namespace

struct TextClassifier::Impl {
  Impl(Tokenizer t, Model m, const TextClassifierOptions& options)
      : tokenizer(std::move(t)),
        max_length(choose_max_length(options.max_length, tokenizer, m)),
        model(std::move(m)),
        plan(compile(options)) {
    const bool on_gpu = options.device.kind == DeviceSpec::Kind::kCuda;
    // On a GPU one run is prepared while the other is under way.
    for (int lane = 0; lane < (on_gpu ? 2 : 1); ++lane) lanes.emplace_back(plan, options);
    // The plan holds the packed weights and, in the mapped file, the embedding tables.
    for (Value& value : model.graph.values) value.constant.clear();
  }

  std::shared_ptr<const Plan> compile(const TextClassifierOptions& options) const {
    const int wanted = options.max_tokens == 0 ? kDefaultTokens : options.max_tokens;
    return Plan::compile(model, {.max_tokens = std::max(wanted, max_length),
                                 .max_sequences = options.max_sequences,
                                 .threads = options.threads,
                                 .isa = options.isa,
                                 .device = options.device});
  }

  // Starts what is packed, on the lane whose run is the oldest.
  void flush(Packed& packed, std::span<Classification> results) {
    Lane& lane = lanes[next_lane];
    next_lane = (next_lane + 1) % lanes.size();
    lane.finish(model.problem);
    lane.start(packed, results);
    packed.clear();
  }

  std::vector<Classification> classify(std::span<const TextInput> inputs) {
    for (Lane& lane : lanes) lane.drop();  // where a text before was refused
    std::vector<Classification> results(inputs.size());
    const auto max_tokens = static_cast<std::size_t>(plan->max_tokens());
    const auto max_sequences = static_cast<std::size_t>(plan->max_sequences());
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
    for (Lane& lane : lanes) lane.finish(model.problem);
    return results;
  }

  Tokenizer tokenizer;
  int max_length;
  Model model;
  std::shared_ptr<const Plan> plan;
  std::vector<Lane> lanes;
  std::size_t next_lane = 0;
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
const Plan& TextClassifier::plan() const { return *impl_->plan; }
const Model& TextClassifier::model() const { return impl_->model; }

}  // namespace qe
