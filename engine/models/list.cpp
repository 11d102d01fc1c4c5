// Finds the builder of the architecture that a config names.
#include <string_view>

#include "engine/models/models.h"

#include <qe/error.h>

namespace qe {
namespace {

struct Entry {
  std::string_view architecture;
  Model (*build)(const Checkpoint&);
};

constexpr Entry kArchitectures[] = {
    {"BertForSequenceClassification", models::bert_for_sequence_classification},
    {"DistilBertForSequenceClassification", models::distilbert_for_sequence_classification},
};

}  // namespace

std::vector<std::string> supported_architectures() {
  std::vector<std::string> names;
  for (const Entry& entry : kArchitectures) names.emplace_back(entry.architecture);
  return names;
}

Model build_model(const Checkpoint& checkpoint) {
  const std::vector<std::string> declared = checkpoint.config.strings("architectures");
  if (declared.size() == 1) {
    for (const Entry& entry : kArchitectures) {
      if (entry.architecture != declared[0]) continue;
      Model model = entry.build(checkpoint);
      model.architecture = declared[0];
      return model;
    }
  }
  std::string expected;
  for (const Entry& entry : kArchitectures) {
    expected += (expected.empty() ? "" : " or ") + std::string(entry.architecture);
  }
  std::string actual;
  for (const std::string& name : declared) actual += (actual.empty() ? "" : ", ") + name;
  throw UnsupportedError({.problem = "unsupported architecture",
                          .file = checkpoint.config.file(),
                          .name = "architectures",
                          .expected = expected,
                          .actual = actual.empty() ? "none" : actual});
}

}  // namespace qe
