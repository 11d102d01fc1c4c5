// Rendering of answers.
#include "tools/run/answers.h"

#include <qe/error.h>

#include "tools/support/result.h"
#include "tools/support/table.h"
#include "tools/support/text.h"

namespace qe::tools {
namespace {

constexpr float kDecision = 0.5F;

std::vector<std::string> chosen_labels(const AnswerStyle& style, const Classification& answer) {
  if (!style.multi_label) return {style.labels[static_cast<std::size_t>(answer.label)]};
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < style.labels.size(); ++i) {
    if (answer.probabilities[i] >= kDecision) chosen.push_back(style.labels[i]);
  }
  return chosen;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

void write_json_answer(std::ostream& out, const AnswerStyle& style, const Classification& answer,
                       std::size_t line) {
  Json json = {{"line", line}};
  if (style.multi_label) {
    json["labels"] = chosen_labels(style, answer);
  } else {
    json["label"] = style.labels[static_cast<std::size_t>(answer.label)];
  }
  json["probabilities"] = answer.probabilities;
  json["logits"] = answer.logits;
  json["tokens"] = answer.tokens;
  json["truncated"] = answer.truncated;
  write_json_line(out, json);
}

}  // namespace

void write_answer_header(std::ostream& out, const AnswerStyle& style) {
  if (style.format != "csv") return;
  std::vector<std::string> columns = {"line", "label"};
  for (const std::string& label : style.labels) columns.push_back("p(" + label + ")");
  write_csv(out, {.header = std::move(columns)});
}

void write_answer(std::ostream& out, const AnswerStyle& style, const Classification& answer,
                  std::size_t line) {
  if (style.format == "jsonl") {
    write_json_answer(out, style, answer, line);
    return;
  }
  const std::string label = joined(chosen_labels(style, answer));
  if (style.format == "csv") {
    std::vector<std::string> cells = {std::to_string(line), label};
    for (const float p : answer.probabilities) cells.push_back(fixed(p, 6));
    write_csv(out, {.header = std::move(cells)});
    return;
  }
  out << (label.empty() ? "-" : label);
  if (!style.multi_label) {
    out << " " << fixed(answer.probabilities[static_cast<std::size_t>(answer.label)], 4);
  }
  out << "  (";
  for (std::size_t i = 0; i < style.labels.size(); ++i) {
    out << (i > 0 ? ", " : "") << style.labels[i] << " " << fixed(answer.probabilities[i], 4);
  }
  out << ")" << (answer.truncated ? " [truncated]" : "") << "\n";
}

void write_image_header(std::ostream& out, const AnswerStyle& style) {
  if (style.format == "csv") write_csv(out, {.header = {"image", "rank", "label", "probability"}});
}

void write_image_answer(std::ostream& out, const AnswerStyle& style, const Classification& answer,
                        const std::string& image, std::size_t number, int top) {
  const std::vector<int> best = top_labels(answer, top);
  const auto name = [&](int label) { return style.labels[static_cast<std::size_t>(label)]; };
  const auto probability = [&](int label) {
    return answer.probabilities[static_cast<std::size_t>(label)];
  };
  if (style.format == "jsonl") {
    Json list = Json::array();
    for (const int label : best) {
      list.push_back(
          {{"label", name(label)}, {"index", label}, {"probability", probability(label)}});
    }
    write_json_line(
        out, {{"image", image}, {"number", number}, {"top", list}, {"logits", answer.logits}});
    return;
  }
  std::string line = printable(image) + ": ";
  for (std::size_t rank = 0; rank < best.size(); ++rank) {
    const int label = best[rank];
    if (style.format == "csv") {
      write_csv(out, {.header = {image, std::to_string(rank + 1), name(label),
                                 fixed(probability(label), 6)}});
    }
    line += (rank > 0 ? ", " : "") + printable(name(label)) + " " + fixed(probability(label), 4);
  }
  if (style.format == "table") out << line << "\n";
}

void write_ids(std::ostream& out, const std::vector<std::int32_t>& ids) {
  out << '[';
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out << ',';
    out << ids[i];
  }
  out << "]\n";
}

TextAndPair split_line(std::string_view line, bool pairs, std::size_t number,
                       const std::string& file) {
  const auto fail = [&](const char* problem, const char* expected) {
    throw DataError({.problem = problem,
                     .file = file,
                     .name = "line " + std::to_string(number),
                     .expected = expected});
  };
  if (!is_utf8(line)) fail("is not UTF-8", "");
  if (!pairs) return {.text = std::string(line), .pair = std::nullopt};
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) fail("holds one text", "two texts with a tab between");
  return {.text = std::string(line.substr(0, tab)), .pair = std::string(line.substr(tab + 1))};
}

}  // namespace qe::tools
