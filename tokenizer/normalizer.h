// BERT's normalizer: drops control characters and makes every space ' ', puts spaces around Chinese
// characters, strips accents (NFD, then without Mn), lower-cases; in this order, each step
// optional. Text that is not well-formed UTF-8 is the caller's to refuse.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace qe::tokenizer {

struct NormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

class Normalizer {
 public:
  explicit Normalizer(const NormalizerOptions& options) noexcept;

  // Appends the normalized `text` to `out`. A text is normalized as one: marks are brought into
  // canonical order across it, so it must not be handed over in parts cut before a mark.
  void append(std::string_view text, std::string& out) const;

 private:
  struct AsciiRule {
    char mapped;
    bool is_kept;
  };
  void append_ascii(std::string_view text, std::string& out) const;
  void append_other(std::string_view text, std::string& out) const;
  void emit(char32_t c, std::string& out) const;

  NormalizerOptions options_;
  std::array<AsciiRule, 128> ascii_{};
};

}  // namespace qe::tokenizer
