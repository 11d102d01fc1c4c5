// tokenizer.json: the parts of the BERT scheme are read; any other part is refused by its type. The
// padding and the decoder it may hold have no part in encoding and are not looked at.
#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "tokenizer/definition.h"
#include "tokenizer/json_document.h"

#include <qe/error.h>

namespace qe::tokenizer {
namespace {

constexpr std::int64_t kMaxId = std::numeric_limits<std::int32_t>::max() - 1;

// The part under `key`, which must be of the one supported type.
JsonView part_of_type(const JsonView& root, std::string_view key, std::string_view type) {
  JsonView part = root.at(key);
  if (part.is_null()) part.refuse("unsupported", std::string(type));
  const JsonView name = part.at("type");
  if (name.string() != type) name.refuse("unsupported type", std::string(type));
  return part;
}

NormalizerOptions read_normalizer(const JsonView& root) {
  const JsonView part = part_of_type(root, "normalizer", "BertNormalizer");
  NormalizerOptions options;
  options.clean_text = part.at("clean_text").boolean();
  options.handle_chinese_chars = part.at("handle_chinese_chars").boolean();
  options.lowercase = part.at("lowercase").boolean();
  options.strip_accents = part.boolean_or("strip_accents", options.lowercase);
  return options;
}

// The ids as they stand in the file, checked to be 0 to n - 1, each once; usually in order.
Vocabulary read_vocabulary(TokenizerDocument& document, const JsonView& model) {
  const std::string& file = model.file();
  if (!model.at("vocab").is_object()) model.at("vocab").fail("wrong type", "an object");
  const auto size = static_cast<std::int64_t>(document.ids.size());
  if (size == 0)
    throw LoadError({.problem = "the vocabulary is empty", .file = file, .name = "model.vocab"});
  constexpr int kNone = -1;
  std::vector<int> position(document.ids.size(), kNone);  // in the file, by id
  bool in_order = true;
  for (int i = 0; i < size; ++i) {
    const std::int64_t id = document.ids[static_cast<std::size_t>(i)];
    const bool fits = id >= 0 && id < size;
    if (!fits || position[static_cast<std::size_t>(id)] != kNone) {
      throw LoadError({.problem = fits ? "id given twice" : "ids are not consecutive",
                       .file = file,
                       .name = "model.vocab." + std::string(document.tokens.token(i)),
                       .expected = "each of 0 to " + std::to_string(size - 1) + " once",
                       .actual = std::to_string(id)});
    }
    position[static_cast<std::size_t>(id)] = i;
    in_order = in_order && id == i;
  }
  if (in_order) return std::move(document.tokens);
  Vocabulary vocabulary;
  for (const int i : position) vocabulary.add(document.tokens.token(i));
  return vocabulary;
}

std::vector<AddedToken> read_added_tokens(const JsonView& root) {
  std::vector<AddedToken> tokens;
  const std::optional<JsonView> list = root.find_value("added_tokens");
  if (!list) return tokens;
  for (const JsonView& token : list->elements()) {
    tokens.push_back({.content = token.at("content").string(),
                      .id = static_cast<std::int32_t>(token.at("id").integer(0, kMaxId)),
                      .single_word = token.at("single_word").boolean(),
                      .lstrip = token.at("lstrip").boolean(),
                      .rstrip = token.at("rstrip").boolean(),
                      .normalized = token.at("normalized").boolean()});
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return tokens;
}

std::optional<std::int64_t> read_truncation(const JsonView& root) {
  const std::optional<JsonView> truncation = root.find_value("truncation");
  if (!truncation) return std::nullopt;
  if (const auto side = truncation->find("direction"); side && side->string() != "Right") {
    side->refuse("unsupported truncation", "Right");
  }
  const JsonView strategy = truncation->at("strategy");
  if (strategy.string() != "LongestFirst")
    strategy.refuse("unsupported truncation", "LongestFirst");
  // [CLS] and [SEP] and nothing else: less holds no text at all.
  return truncation->at("max_length").integer(2, kMaxId);
}

struct SpecialTokens {
  std::int32_t cls;
  std::int32_t sep;
};

// One piece of a template: "A", "B" or the name of a special token, with its type id.
struct Piece {
  std::string name;
  std::int64_t type_id;
};

std::vector<Piece> read_template(const JsonView& processor, std::string_view key) {
  std::vector<Piece> pieces;
  for (const JsonView& element : processor.at(key).elements()) {
    const std::optional<JsonView> sequence = element.find("Sequence");
    const JsonView piece = sequence ? *sequence : element.at("SpecialToken");
    pieces.push_back(
        {(sequence ? "$" : "") + piece.at("id").string(), piece.at("type_id").integer(0, kMaxId)});
  }
  return pieces;
}

std::int32_t template_token_id(const JsonView& processor, const std::string& name) {
  const JsonView ids = processor.at("special_tokens").at(name).at("ids");
  const std::vector<JsonView> elements = ids.elements();
  if (elements.size() != 1) ids.refuse("unsupported special token", "one id");
  return static_cast<std::int32_t>(elements[0].integer(0, kMaxId));
}

SpecialTokens read_template_processing(const JsonView& processor) {
  const auto matches = [](const std::vector<Piece>& pieces, const std::vector<Piece>& expected) {
    return std::equal(
        pieces.begin(), pieces.end(), expected.begin(), expected.end(),
        [](const Piece& a, const Piece& b) { return a.name == b.name && a.type_id == b.type_id; });
  };
  const std::vector<Piece> single = read_template(processor, "single");
  if (single.size() != 3) processor.at("single").refuse("unsupported template", "[CLS] A [SEP]");
  const std::string cls = single.front().name;
  const std::string sep = single.back().name;
  if (!matches(single, {{cls, 0}, {"$A", 0}, {sep, 0}})) {
    processor.at("single").refuse("unsupported template", "[CLS] A [SEP]");
  }
  if (!matches(read_template(processor, "pair"),
               {{cls, 0}, {"$A", 0}, {sep, 0}, {"$B", 1}, {sep, 1}})) {
    processor.at("pair").refuse("unsupported template", "[CLS] A [SEP] B:1 [SEP]:1");
  }
  return {template_token_id(processor, cls), template_token_id(processor, sep)};
}

SpecialTokens read_bert_processing(const JsonView& processor) {
  const auto id = [&](std::string_view key) {
    const std::vector<JsonView> pair = processor.at(key).elements();
    if (pair.size() != 2) processor.at(key).fail("wrong length", "a token and its id");
    return static_cast<std::int32_t>(pair[1].integer(0, kMaxId));
  };
  return {id("cls"), id("sep")};
}

SpecialTokens read_post_processor(const JsonView& root) {
  const JsonView processor = root.at("post_processor");
  const std::string supported = "TemplateProcessing or BertProcessing";
  if (processor.is_null()) processor.refuse("unsupported", supported);
  const JsonView type = processor.at("type");
  if (type.string() == "TemplateProcessing") return read_template_processing(processor);
  if (type.string() == "BertProcessing") return read_bert_processing(processor);
  type.refuse("unsupported type", supported);
}

}  // namespace

Definition read_tokenizer_json(std::string_view text, const std::string& file) {
  TokenizerDocument document = parse_tokenizer_json(text, file);
  const JsonView root(document.root, file);
  const JsonView model = part_of_type(root, "model", "WordPiece");
  part_of_type(root, "pre_tokenizer", "BertPreTokenizer");

  Definition definition;
  definition.file = file;
  definition.normalizer = read_normalizer(root);
  definition.vocabulary = read_vocabulary(document, model);
  definition.wordpiece.continuation_prefix = model.at("continuing_subword_prefix").string();
  definition.wordpiece.max_word_characters =
      static_cast<std::size_t>(model.at("max_input_chars_per_word").integer(0, kMaxId));
  definition.added_tokens = read_added_tokens(root);
  definition.truncation = read_truncation(root);

  const JsonView unknown = model.at("unk_token");
  for (int id = 0; id < definition.vocabulary.size(); ++id) {
    if (definition.vocabulary.token(id) == unknown.string()) definition.unknown_id = id;
  }
  if (definition.vocabulary.token(definition.unknown_id) != unknown.string()) {
    unknown.fail("the unknown token is not in the vocabulary");
  }
  const SpecialTokens special = read_post_processor(root);
  definition.cls_id = special.cls;
  definition.sep_id = special.sep;
  return definition;
}

}  // namespace qe::tokenizer
