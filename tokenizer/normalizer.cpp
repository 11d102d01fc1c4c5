// ASCII runs go through a table; runs of other characters through ICU one by one. An ASCII
// character neither combines nor decomposes, so the runs are independent of each other.
#include "tokenizer/normalizer.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace qe::tokenizer {
namespace {

// Characters of a combining class other than 0 wait here for the next starter, then leave in
// canonical order (Unicode standard, D109). Few marks survive the stripping of accents, so this is
// empty for nearly every text.
class WaitingMarks {
 public:
  void add(char32_t c, std::uint8_t combining_class) { marks_.push_back({c, combining_class}); }

  template <typename Emit>
  void flush(Emit&& emit) {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(), [](const Mark& a, const Mark& b) {
      return a.combining_class < b.combining_class;
    });
    for (const Mark& mark : marks_) emit(mark.value);
    marks_.clear();
  }

 private:
  struct Mark {
    char32_t value;
    std::uint8_t combining_class;
  };
  std::vector<Mark> marks_;
};

}  // namespace

Normalizer::Normalizer(const NormalizerOptions& options) noexcept : options_(options) {
  for (char32_t c = 0; c < ascii_.size(); ++c) {
    const std::uint8_t flags = character_flags(c);
    char32_t mapped = c;
    bool is_kept = true;
    if (options.clean_text) {
      is_kept = (flags & kRemoved) == 0;
      if ((flags & kSpace) != 0) mapped = ' ';
    }
    if (options.lowercase) mapped = lowercase(mapped).values[0];
    ascii_[c] = {static_cast<char>(mapped), is_kept};
  }
}

void Normalizer::append(std::string_view text, std::string& out) const {
  while (!text.empty()) {
    const bool ascii = is_ascii(text.front());
    const auto end =
        std::find_if(text.begin(), text.end(), [=](char c) { return is_ascii(c) != ascii; });
    const std::string_view run = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    ascii ? append_ascii(run, out) : append_other(run, out);
    text.remove_prefix(run.size());
  }
}

void Normalizer::append_ascii(std::string_view text, std::string& out) const {
  std::size_t size = out.size();
  out.resize(size + text.size());
  for (const char c : text) {
    const AsciiRule rule = ascii_[static_cast<unsigned char>(c)];
    out[size] = rule.mapped;
    size += rule.is_kept ? 1 : 0;
  }
  out.resize(size);
}

void Normalizer::append_other(std::string_view text, std::string& out) const {
  WaitingMarks waiting;
  const auto put = [&](char32_t c) { emit(c, out); };
  const auto put_stripped = [&](char32_t c) {
    const CodePoints parts = decompose(c);
    for (std::size_t i = 0; i < parts.count; ++i) {
      const char32_t part = parts.values[i];
      const std::uint8_t order = combining_class(part);
      if (order == 0) waiting.flush(put);
      if ((character_flags(part) & kMark) != 0) continue;
      order == 0 ? put(part) : waiting.add(part, order);
    }
  };
  while (!text.empty()) {
    const auto [c, size] = first_code_point(text);
    text.remove_prefix(size);
    const std::uint8_t flags = options_.clean_text ? character_flags(c) : 0;
    if ((flags & kRemoved) != 0) continue;
    const bool is_set_apart = options_.handle_chinese_chars && is_chinese(c);
    if (is_set_apart || (flags & kSpace) != 0) {
      waiting.flush(put);
      out.push_back(' ');
    }
    if ((flags & kSpace) != 0) continue;
    options_.strip_accents ? put_stripped(c) : put(c);
    if (is_set_apart) out.push_back(' ');
  }
  waiting.flush(put);
}

void Normalizer::emit(char32_t c, std::string& out) const {
  if (!options_.lowercase) return append_utf8(c, out);
  const CodePoints lower = lowercase(c);
  for (std::size_t i = 0; i < lower.count; ++i) append_utf8(lower.values[i], out);
}

}  // namespace qe::tokenizer
