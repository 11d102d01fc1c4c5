// Tokenizer: text to token ids, the WordPiece scheme of BERT (Devlin et al. 2019, section 3), equal
// id for id to the `bert` tokenizers of Hugging Face's `tokenizers` library (docs/tokenizer.md says
// which version and how that is checked). It opens no file: callers hand it the files' contents.
// Refuses every other scheme (BPE, Unigram, Roberta templates, left truncation) by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qe {

// The files of a model directory that describe its tokenizer; at least one of vocab_txt and
// tokenizer_json is needed. tokenizer.json wins over vocab.txt; where both are given they must hold
// the same vocabulary. The views need to live only as long as the call of Tokenizer::load.
struct TokenizerSources {
  std::optional<std::string_view> vocab_txt = {};
  std::optional<std::string_view> tokenizer_json = {};
  std::optional<std::string_view> tokenizer_config_json = {};
  std::string directory = {};  // where they came from, for messages
};

// The ids of one text or pair of texts. Give the same object to many calls: its memory is reused.
struct Encoding {
  std::vector<std::int32_t> ids;       // [CLS] A [SEP], or [CLS] A [SEP] B [SEP]
  std::vector<std::int32_t> type_ids;  // 1 for B and its [SEP], 0 elsewhere; as long as ids
  bool truncated = false;              // tokens were dropped to respect the maximum length

  std::string scratch;  // working memory of encode(); means nothing to a caller
};

class Tokenizer {
 public:
  // Throws LoadError for files that are malformed or contradict each other (naming file and key or
  // line), UnsupportedError for a scheme other than BERT's (naming it).
  static Tokenizer load(const TokenizerSources& sources);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Encodes `text`, or `text` and `pair`, into `out`, at most max_length ids: the longer of a pair
  // is shortened first, from its end. Empty texts are valid. Time is linear in the text. May be
  // called by many threads at once, each with its own `out`. Throws DataError (detail().name =
  // "byte N") if a text is not UTF-8, UsageError if max_length cannot hold the special tokens (2,
  // with a pair 3).
  void encode(std::string_view text, std::optional<std::string_view> pair, int max_length,
              Encoding& out) const;

  // Number of ids: one more than the highest. A model's embedding table needs as many rows.
  int vocab_size() const;

  // The token of an id, e.g. "##ing"; valid as long as the tokenizer. Throws UsageError if the id
  // is not in [0, vocab_size()).
  std::string_view token(int id) const;

  // The maximum length to use where nobody asks for another: the truncation of tokenizer.json if it
  // sets one, else model_max_length of tokenizer_config.json; never above `max_positions`, the
  // number of positions of the model.
  int default_max_length(int max_positions) const;

 private:
  class Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace qe
