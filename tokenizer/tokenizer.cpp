// The public tokenizer: added tokens are cut out of the raw text, the parts between are normalized,
// cut again for normalized added tokens, and split into word pieces; then truncation and template.
#include <algorithm>
#include <limits>
#include <utility>

#include <qe/error.h>
#include <qe/tokenizer.h>

#include "tokenizer/definition.h"
#include "tokenizer/utf8.h"

namespace qe {
namespace {

using tokenizer::AddedToken;
using tokenizer::AddedTokens;
using tokenizer::Definition;
using tokenizer::Normalizer;

void check_utf8(std::string_view text, const char* what) {
  if (const auto at = tokenizer::find_invalid_utf8(text)) {
    throw DataError(
        {.problem = std::string(what) + " is not UTF-8", .name = "byte " + std::to_string(*at)});
  }
}

std::vector<AddedToken> raw_tokens(const Definition& definition) {
  std::vector<AddedToken> tokens;
  std::copy_if(definition.added_tokens.begin(), definition.added_tokens.end(),
               std::back_inserter(tokens), [](const AddedToken& t) { return !t.normalized; });
  return tokens;
}

std::vector<AddedToken> normalized_tokens(const Definition& definition,
                                          const Normalizer& normalizer) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : definition.added_tokens) {
    if (!token.normalized) continue;
    std::string form;
    normalizer.append(token.content, form);
    const auto is_same = [&](const AddedToken& other) { return other.content == form; };
    if (form.empty() || form.size() > tokenizer::PrefixTable::kMaxKeyBytes ||
        std::any_of(tokens.begin(), tokens.end(), is_same)) {
      throw LoadError({.problem = "its normalized form is empty, too long or that of another token",
                       .file = definition.file,
                       .name = "added token \"" + token.content + "\""});
    }
    token.content = std::move(form);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

struct Lengths {
  std::size_t first;
  std::size_t second;
};

// Shortens the longer text first, then both alike.
Lengths truncate_longest_first(Lengths lengths, std::size_t room) {
  if (lengths.first + lengths.second <= room) return lengths;
  const bool is_swapped = lengths.first > lengths.second;
  const std::size_t shorter = std::min(lengths.first, lengths.second);
  Lengths kept{shorter, shorter > room ? shorter : std::max(shorter, room - shorter)};
  if (kept.first + kept.second > room) kept = {room / 2, room / 2 + room % 2};
  if (is_swapped) std::swap(kept.first, kept.second);
  return kept;
}

}  // namespace

class Tokenizer::Impl {
 public:
  explicit Impl(Definition definition)
      : definition_(std::move(definition)),
        normalizer_(definition_.normalizer),
        wordpiece_(definition_.vocabulary, definition_.unknown_id, definition_.wordpiece),
        raw_(raw_tokens(definition_)),
        normalized_(normalized_tokens(definition_, normalizer_)) {
    check_ids();
    check_duplicates();
  }

  void encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length,
              Encoding& out) const;

  int vocab_size() const noexcept {
    const auto& added = definition_.added_tokens;
    return std::max(definition_.vocabulary.size(), added.empty() ? 0 : added.back().id + 1);
  }
  std::string_view token(int id) const {
    const auto& added = definition_.added_tokens;
    if (id < definition_.vocabulary.size()) return definition_.vocabulary.token(id);
    return std::lower_bound(added.begin(), added.end(), id,
                            [](const AddedToken& t, int value) { return t.id < value; })
        ->content;
  }
  const Definition& definition() const noexcept { return definition_; }

 private:
  void check_ids() const;
  void check_duplicates() const;
  std::size_t append_text(std::string_view text, std::size_t enough, Encoding& out) const;

  Definition definition_;
  Normalizer normalizer_;
  tokenizer::WordPiece wordpiece_;
  AddedTokens raw_;
  AddedTokens normalized_;
};

void Tokenizer::Impl::check_ids() const {
  for (const std::int32_t id : {definition_.cls_id, definition_.sep_id}) {
    if (id < vocab_size()) continue;
    throw LoadError({.problem = "the id of a special token is not in the vocabulary",
                     .file = definition_.file,
                     .name = "post_processor",
                     .expected = "less than " + std::to_string(vocab_size()),
                     .actual = std::to_string(id)});
  }
}

void Tokenizer::Impl::check_duplicates() const {
  const auto token = wordpiece_.duplicate();
  if (!token || definition_.may_repeat_tokens) return;
  throw LoadError({.problem = "token \"" + std::string(*token) + "\" is given twice",
                   .file = definition_.file,
                   .name = "model.vocab"});
}

// Appends the ids of one text and returns how many. May stop at the end of a word once there are
// `enough`, so that the rest of a long text costs nothing.
std::size_t Tokenizer::Impl::append_text(std::string_view text, std::size_t enough,
                                         Encoding& out) const {
  const std::size_t before = out.ids.size();
  const std::size_t stop = before + enough;
  const auto put_id = [&](std::int32_t id) { out.ids.push_back(id); };
  const auto put_words = [&](std::string_view part) {
    return wordpiece_.append(part, stop, out.ids);
  };
  const auto put_part = [&](std::string_view part) {
    out.scratch.clear();
    normalizer_.append(part, out.scratch);
    return normalized_.split(out.scratch, put_words, put_id);
  };
  raw_.split(text, put_part, put_id);
  return out.ids.size() - before;
}

void Tokenizer::Impl::encode(std::string_view text, std::optional<std::string_view> pair,
                             std::size_t max_length, Encoding& out) const {
  std::vector<std::int32_t>& ids = out.ids;
  ids.clear();
  ids.push_back(definition_.cls_id);
  const std::size_t room = max_length - (pair ? 3 : 2);
  // Which text of a pair is the longer is known only at the end of both.
  constexpr std::size_t kAll = std::numeric_limits<std::int32_t>::max();
  Lengths lengths{append_text(text, pair ? kAll : room + 1, out), 0};
  if (pair) lengths.second = append_text(*pair, kAll, out);
  const Lengths kept = truncate_longest_first(lengths, room);
  out.truncated = kept.first < lengths.first || kept.second < lengths.second;

  const auto at = [&](std::size_t index) {
    return ids.begin() + static_cast<std::ptrdiff_t>(index);
  };
  const std::size_t second = 1 + lengths.first;
  ids.erase(at(second + kept.second), ids.end());
  ids.erase(at(1 + kept.first), at(second));
  ids.insert(at(1 + kept.first), definition_.sep_id);
  if (pair) ids.push_back(definition_.sep_id);
  out.type_ids.assign(ids.size(), 0);
  std::fill(out.type_ids.begin() + static_cast<std::ptrdiff_t>(2 + kept.first), out.type_ids.end(),
            1);
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const TokenizerSources& sources) {
  return Tokenizer(std::make_unique<const Impl>(tokenizer::read_definition(sources)));
}

void Tokenizer::encode(std::string_view text, std::optional<std::string_view> pair, int max_length,
                       Encoding& out) const {
  const int specials = pair ? 3 : 2;
  if (max_length < specials) {
    throw UsageError({.problem = "the maximum length is too small",
                      .expected = "at least " + std::to_string(specials),
                      .actual = std::to_string(max_length)});
  }
  check_utf8(text, "text");
  if (pair) check_utf8(*pair, "second text");
  impl_->encode(text, pair, static_cast<std::size_t>(max_length), out);
}

int Tokenizer::vocab_size() const { return impl_->vocab_size(); }

std::string_view Tokenizer::token(int id) const {
  if (id < 0 || id >= vocab_size()) {
    throw UsageError({.problem = "no such token id",
                      .expected = "0 to " + std::to_string(vocab_size() - 1),
                      .actual = std::to_string(id)});
  }
  return impl_->token(id);
}

int Tokenizer::default_max_length(int max_positions) const {
  const Definition& definition = impl_->definition();
  const std::int64_t wanted =
      definition.truncation.value_or(definition.model_max_length.value_or(max_positions));
  return static_cast<int>(std::min<std::int64_t>(wanted, max_positions));
}

}  // namespace qe
