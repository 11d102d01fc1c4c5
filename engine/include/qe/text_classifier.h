// The shortest way in: a model directory to answers. Wraps loading, tokenizing, planning and
// running; every part is also public by itself.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <qe/classification.h>
#include <qe/device_spec.h>
#include <qe/isa.h>
#include <qe/model.h>
#include <qe/tokenizer.h>

namespace qe {

struct TextClassifierOptions {
  int threads = 1;
  int max_length = 0;      // tokens a text is cut to; 0: what the directory says
  int max_tokens = 0;      // tokens of one run; 0: max(1024, max_length)
  int max_sequences = 32;  // texts of one run
  Isa isa = default_isa();
  DeviceSpec device = {};  // of the network; texts are tokenized on the CPU
  bool use_mmap = true;
  bool pin_threads = false;
};

struct TextInput {
  std::string_view text;
  std::optional<std::string_view> pair;
};

class TextClassifier {
 public:
  // Throws LoadError, UnsupportedError, IoError, ResourceError; DeviceError for a GPU that is not
  // there or not usable; UsageError for a model of images.
  static TextClassifier open(const std::filesystem::path& directory,
                             const TextClassifierOptions& options = {});
  ~TextClassifier();
  TextClassifier(TextClassifier&&) noexcept;
  TextClassifier& operator=(TextClassifier&&) noexcept;

  Classification classify(std::string_view text);
  // In the order given; runs hold as many texts as the capacity allows. On a GPU texts are
  // tokenized while it runs those before. A text that is not UTF-8 throws DataError; DeviceError if
  // a GPU fails.
  std::vector<Classification> classify(std::span<const TextInput> inputs);

  const std::vector<std::string>& labels() const;
  ProblemType problem() const;
  const Tokenizer& tokenizer() const;
  int max_length() const;
  const class Plan& plan() const;
  const Model& model() const;  // graph and metadata; its weights are packed away in the plan

 private:
  struct Impl;
  explicit TextClassifier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace qe
