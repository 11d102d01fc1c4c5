// qe-run: a model directory and texts or images to answers. Texts come from --text or, a line each,
// from standard input; one bad line does not end the stream. Images come from --image.
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/text_classifier.h>

#include "tools/run/answers.h"
#include "tools/run/run_images.h"
#include "tools/support/args.h"
#include "tools/support/line_reader.h"
#include "tools/support/models.h"
#include "tools/support/output.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

constexpr const char* kExamples =
    "  qe-run models/tiny-emotion --text \"what a lovely day\"\n"
    "      One answer: the label, its probability, and those of the other labels.\n"
    "  qe-run models/tiny-emotion --format jsonl --batch 32 < texts.txt\n"
    "      An answer a line, with logits; 32 texts a run.\n"
    "  qe-run models/tiny-emotion --tokenize < texts.txt\n"
    "      The token ids alone, a JSON array a line.\n"
    "  qe-run MODEL_DIR --text \"first text\" --pair \"second text\"\n"
    "      A pair of texts; on standard input use --pairs and a tab between them.\n"
    "  qe-run models/tiny-shapes --image photo.jpg drawing.png data/demo-shapes/images\n"
    "      Images, and all below a folder: the five most probable labels of each.\n"
    "  qe-run MODEL_DIR --image folder --top 1 --format jsonl --on-error skip > answers.jsonl\n"
    "      A line an image with its logits; what cannot be decoded is named and left out.\n";

struct Options {
  std::string model;
  std::vector<std::string> texts;
  std::vector<std::string> seconds;  // one for each of `texts`, or none
  bool pairs = false;
  bool tokenize = false;
  std::vector<std::string> images;
  int top = 5;
  OnError on_error = OnError::kFail;
  SharedFlags flags;
};

Options parse_options(int argc, const char* const* argv) {
  Options options;
  std::string on_error = "fail";
  CLI::App app;
  describe(app, "qe-run", "Classify texts or images with the model of a directory.", kExamples);
  app.add_option("MODEL_DIR", options.model, "Model directory (Hugging Face or timm layout)")
      ->required();
  app.add_option("--text", options.texts, "Text to classify (repeatable; default: stdin lines)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("TEXT");
  app.add_option("--pair", options.seconds, "Second text of the --text at the same place")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("TEXT");
  app.add_flag("--pairs", options.pairs,
               "Lines of standard input are two texts with a tab between");
  app.add_flag("--tokenize", options.tokenize, "Print token ids and run nothing");
  auto* const images =
      app.add_option("--image", options.images, "Images (JPEG, PNG, WebP) and folders of them")
          ->expected(1, CLI::detail::expected_max_vector_size)
          ->type_name("PATH");
  app.add_option("--top", options.top, "Labels shown of each image")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N")
      ->capture_default_str()
      ->needs(images);
  app.add_option("--on-error", on_error, "Images that cannot be used: fail, or skip and count")
      ->check(CLI::IsMember({"fail", "skip"}))
      ->type_name("WHAT")
      ->capture_default_str()
      ->needs(images);
  add_images(app, options.flags);
  add_output(app, options.flags, {"table", "jsonl", "csv"});
  add_batch(app, options.flags);
  add_threads(app, options.flags);
  add_max_length(app, options.flags);
  add_engine(app, options.flags);
  add_device(app, options.flags);
  parse(app, argc, argv, options.flags);
  options.on_error = on_error == "skip" ? OnError::kSkip : OnError::kFail;
  const bool texts = !options.texts.empty() || options.pairs || options.tokenize;
  if (texts && !options.images.empty()) {
    throw UsageError({.problem = "does not go with texts", .name = "--image"});
  }
  if (!options.seconds.empty() && options.seconds.size() != options.texts.size()) {
    throw UsageError({.problem = "needs one second text for each --text",
                      .name = "--pair",
                      .expected = std::to_string(options.texts.size()),
                      .actual = std::to_string(options.seconds.size())});
  }
  return options;
}

struct Input {
  std::size_t line;  // from 1, of standard input or of the --text flags
  TextAndPair content;
};

// Turns the inputs at hand into a line each.
class Answerer {
 public:
  virtual ~Answerer() = default;
  virtual void answer(std::span<const Input> inputs, std::ostream& out) = 0;
};

class ClassifyingAnswerer : public Answerer {
 public:
  ClassifyingAnswerer(const Options& options, std::ostream& out)
      : classifier_(TextClassifier::open(options.model,
                                         classifier_options(options.flags, options.flags.batch))),
        style_{.format = options.flags.format,
               .labels = classifier_.labels(),
               .multi_label = classifier_.problem() == ProblemType::kMultiLabel} {
    write_answer_header(out, style_);
  }

  void answer(std::span<const Input> inputs, std::ostream& out) override {
    std::vector<TextInput> texts;
    for (const Input& input : inputs) texts.push_back({input.content.text, input.content.pair});
    const std::vector<Classification> answers = classifier_.classify(texts);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      write_answer(out, style_, answers[i], inputs[i].line);
    }
  }

 private:
  TextClassifier classifier_;
  AnswerStyle style_;
};

class TokenizingAnswerer : public Answerer {
 public:
  explicit TokenizingAnswerer(const Options& options)
      : source_(open_tokenizer(options.model, options.flags)) {}

  void answer(std::span<const Input> inputs, std::ostream& out) override {
    for (const Input& input : inputs) {
      source_.tokenizer.encode(input.content.text, input.content.pair, source_.max_length,
                               encoding_);
      write_ids(out, encoding_.ids);
    }
  }

 private:
  DirectoryTokenizer source_;
  Encoding encoding_;
};

std::unique_ptr<Answerer> make_answerer(const Options& options, std::ostream& out) {
  if (options.tokenize) return std::make_unique<TokenizingAnswerer>(options);
  return std::make_unique<ClassifyingAnswerer>(options, out);
}

int run_flags(const Options& options, Answerer& answerer, Output& output) {
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < options.texts.size(); ++i) {
    Input input{i + 1, split_line(options.texts[i], false, i + 1, "--text")};
    if (!options.seconds.empty()) {
      input.content.pair = split_line(options.seconds[i], false, i + 1, "--pair").text;
    }
    inputs.push_back(std::move(input));
  }
  answerer.answer(inputs, output.stream());
  return kExitOk;
}

// Batches of lines in, answers out as soon as a batch is whole; errors of single lines are reported
// and remembered.
int run_stream(const Options& options, Answerer& answerer, Output& output) {
  LineReader reader(std::cin, "standard input");
  int code = kExitOk;
  std::vector<Input> inputs;
  const auto flush = [&] {
    if (!inputs.empty()) answerer.answer(inputs, output.stream());
    inputs.clear();
    // Ids come in bulk; an answer may have somebody waiting for it.
    if (!options.tokenize) output.flush();
  };
  for (std::string line; !interrupted() && reader.next(line);) {
    try {
      inputs.push_back(
          {reader.number(), split_line(line, options.pairs, reader.number(), reader.file())});
    } catch (const DataError& error) {
      flush();  // keeps the order of answers and messages
      std::cerr << "qe-run: " << error.what() << "\n";
      code = kExitData;
    }
    if (inputs.size() == static_cast<std::size_t>(options.flags.batch)) flush();
  }
  flush();
  return interrupted() ? kExitInterrupted : code;
}

int run(int argc, const char* const* argv) {
  const Options options = parse_options(argc, argv);
  Output output(options.flags.output);
  if (!options.images.empty()) {
    return run_images({.model = options.model,
                       .images = options.images,
                       .top = options.top,
                       .on_error = options.on_error,
                       .flags = options.flags},
                      output);
  }
  if (!options.tokenize && input_kind(options.model) == InputKind::kImage) {
    throw UsageError(
        {.problem = "is a model of images: give them with --image", .file = options.model});
  }
  const std::unique_ptr<Answerer> answerer = make_answerer(options, output.stream());
  const int code = options.texts.empty() ? run_stream(options, *answerer, output)
                                         : run_flags(options, *answerer, output);
  output.flush();
  return code;
}

}  // namespace
}  // namespace qe::tools

int main(int argc, char** argv) {
  return qe::tools::run_tool("qe-run", [&] { return qe::tools::run(argc, argv); });
}
