// How tools open what a model directory holds.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <qe/image_classifier.h>
#include <qe/text_classifier.h>
#include <qe/tokenizer.h>

#include "tools/support/args.h"

namespace qe::tools {

// What the shared flags say about a classifier; `max_sequences` texts at most in one run.
TextClassifierOptions classifier_options(const SharedFlags& flags, int max_sequences);

// The same for images.
ImageClassifierOptions image_classifier_options(const SharedFlags& flags, int max_images);
DecodeOptions decode_options(const SharedFlags& flags);

struct DirectoryTokenizer {
  Tokenizer tokenizer;
  int max_length;  // of --max-length, else what the directory says
};

// The tokenizer alone, without touching the weights (the directory need not have any). Throws
// LoadError, IoError, and UsageError if --max-length exceeds the positions config.json names.
DirectoryTokenizer open_tokenizer(const std::filesystem::path& directory, const SharedFlags& flags);

// "float", "int8 dynamic" or "int8 static", from the annotations of the graph.
std::string scheme_name(const Model& model);

}  // namespace qe::tools
