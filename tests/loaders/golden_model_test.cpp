// Float logits of real models against those of the library that trained them, and integer answers
// against float ones. Needs the shared data; says so where it is absent.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "loaders/safetensors.h"
#include "tests/support/float_models.h"

#include <qe/load.h>
#include <qe/quantize.h>
#include <qe/session.h>

namespace {

namespace fs = std::filesystem;

fs::path data_dir() {
  const char* const set = std::getenv("QE_DATA_DIR");
  return set != nullptr ? fs::path(set) : fs::path(QE_SOURCE_DIR "/../shared");
}

struct Golden {
  std::vector<std::int32_t> ids, types, offsets = {0};
  std::vector<float> logits;
  std::size_t labels = 0;
};

// Rows are padded with zeros in the file; here they are packed one after another.
Golden read_golden(const fs::path& file) {
  const qe::SafetensorsFile stored = qe::read_safetensors(file);
  const auto ids = stored.tensors.at("input_ids").data<std::int32_t>();
  const auto lengths = stored.tensors.at("lengths").data<std::int32_t>();
  const auto width = static_cast<std::size_t>(stored.tensors.at("input_ids").shape[1]);
  const auto types = stored.tensors.find("token_type_ids");
  Golden golden;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    const auto length = static_cast<std::size_t>(lengths[row]);
    const auto append = [&](std::vector<std::int32_t>& to, std::span<const std::int32_t> from) {
      const auto part = from.subspan(row * width, length);
      to.insert(to.end(), part.begin(), part.end());
    };
    append(golden.ids, ids);
    if (types != stored.tensors.end()) append(golden.types, types->second.data<std::int32_t>());
    golden.offsets.push_back(static_cast<std::int32_t>(golden.ids.size()));
  }
  const auto logits = stored.tensors.at("logits").data<float>();
  golden.logits.assign(logits.begin(), logits.end());
  golden.labels = golden.logits.size() / lengths.size();
  return golden;
}

std::vector<float> run(const qe::Checkpoint& checkpoint, const Golden& golden, int threads) {
  const auto plan = qe::Plan::compile(qe::build_model(checkpoint),
                                      {.max_tokens = static_cast<int>(golden.ids.size()),
                                       .max_sequences = static_cast<int>(golden.offsets.size()) - 1,
                                       .threads = threads,
                                       .release_source = false});
  qe::Session session(plan, {.threads = threads});
  const auto logits =
      session.run({.token_ids = golden.ids, .type_ids = golden.types, .offsets = golden.offsets});
  return {logits.begin(), logits.end()};
}

void check_float(const fs::path& model, const fs::path& golden_file) {
  CAPTURE(model.string());
  if (qe::test::skip_float(model.filename().string())) return;
  const qe::Checkpoint checkpoint = qe::load_checkpoint(model);
  const Golden golden = read_golden(golden_file);
  for (const int threads : {1, 2}) {
    const std::vector<float> logits = run(checkpoint, golden, threads);
    REQUIRE(logits.size() == golden.logits.size());
    float worst = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      worst = std::max(worst, std::fabs(logits[i] - golden.logits[i]));
    }
    MESSAGE(model.filename().string() << ": max abs difference " << worst);
    CHECK(worst <= 2e-4F);
  }
}

TEST_CASE("float logits of the shared models equal their goldens") {
  for (const char* name : {"tiny-emotion", "minilm-emotion", "minilm-hatexplain"}) {
    const fs::path model = data_dir() / "models" / name;
    const fs::path golden = data_dir() / "goldens" / (std::string(name) + ".safetensors");
    if (!fs::exists(model) || !fs::exists(golden)) {
      MESSAGE("skipped: " << model.string() << " or its golden is absent");
      continue;
    }
    check_float(model, golden);
  }
}

TEST_CASE("float logits of the architectures' test models equal their goldens") {
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(QE_SOURCE_DIR) / "tests/data/models")) {
    check_float(entry.path(), entry.path() / "golden.safetensors");
    ++cases;
  }
  CHECK(cases >= 8);
}

TEST_CASE("the tokenizers of the architectures' test models open and fit their models") {
  for (const auto& entry : fs::directory_iterator(fs::path(QE_SOURCE_DIR) / "tests/data/models")) {
    CAPTURE(entry.path().string());
    const qe::Model model = qe::build_model(qe::load_checkpoint(entry.path()));
    CHECK(qe::load_tokenizer(entry.path()).vocab_size() == model.vocab_size);
  }
}

TEST_CASE("integer labels of a real model agree with float ones") {
  const fs::path model = data_dir() / "models/minilm-emotion";
  if (!fs::exists(model)) {
    MESSAGE("skipped: " << model.string() << " is absent");
    return;
  }
  const qe::Checkpoint checkpoint = qe::load_checkpoint(model);
  const Golden golden = read_golden(data_dir() / "goldens/minilm-emotion.safetensors");
  const std::vector<float> logits = run(qe::quantize(checkpoint, {}, nullptr), golden, 2);
  std::size_t equal = 0;
  const std::size_t rows = logits.size() / golden.labels;
  const auto label = [&](const std::vector<float>& all, std::size_t row) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(row * golden.labels);
    return std::max_element(begin, begin + static_cast<std::ptrdiff_t>(golden.labels)) - begin;
  };
  for (std::size_t row = 0; row < rows; ++row) {
    equal += label(logits, row) == label(golden.logits, row) ? 1 : 0;
  }
  MESSAGE(equal << " of " << rows << " labels equal");
  CHECK(equal + 1 >= rows);
}

}  // namespace
