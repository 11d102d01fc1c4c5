// Answers of a classifier as qe-run prints them, one line a text or an image.
#pragma once

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <qe/classification.h>

namespace qe::tools {

struct AnswerStyle {
  std::string format;  // "table", "csv" or "jsonl"
  std::vector<std::string> labels;
  bool multi_label = false;
};

// "csv" has a header line, the others none.
void write_answer_header(std::ostream& out, const AnswerStyle& style);

// table: label, its probability, then every label with its probability. csv: label and the
// probabilities. jsonl: those, the logits, tokens, truncated and the line number. A multi-label
// answer names every label with a probability of at least one half.
void write_answer(std::ostream& out, const AnswerStyle& style, const Classification& answer,
                  std::size_t line);

// The header of "csv" for images.
void write_image_header(std::ostream& out, const AnswerStyle& style);

// The `top` most probable labels of the image at place `number`. table: the file's name, then label
// and probability of each. csv: a line for each. jsonl: also all logits.
void write_image_answer(std::ostream& out, const AnswerStyle& style, const Classification& answer,
                        const std::string& image, std::size_t number, int top);

// A JSON array of ids.
void write_ids(std::ostream& out, const std::vector<std::int32_t>& ids);

struct TextAndPair {
  std::string text;
  std::optional<std::string> pair;
};

// A line as one text, or with `pairs` as two with a tab between. Throws DataError naming the line
// if it is not UTF-8 or the tab is missing.
TextAndPair split_line(std::string_view line, bool pairs, std::size_t number,
                       const std::string& file);

}  // namespace qe::tools
