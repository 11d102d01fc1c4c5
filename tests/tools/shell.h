// Runs the built tools as a user does, and makes broken copies of model directories.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

namespace qe::tools {

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

// Runs `command` with a POSIX shell in the source directory, the tools first in the PATH, `input`
// as standard input.
Outcome shell(const std::string& command, const std::string& input = "");

// An empty folder of this name below the build directory.
std::filesystem::path scratch(const std::string& name);

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& content);

// A copy of the embedded model in scratch(name).
std::filesystem::path copy_of_model(const std::string& name);

// Rewrites config.json of a copy.
void edit_config(const std::filesystem::path& model,
                 const std::function<void(nlohmann::ordered_json&)>& edit);

// Names and contents of the regular files of a directory.
std::map<std::string, std::string> contents(const std::filesystem::path& directory);

inline const std::string kModel = "models/tiny-emotion";

// A model quantized once for all tests of the program: "dynamic" or "static".
std::filesystem::path quantized_model(const std::string& scheme, const std::string& model = kModel);

// For tests that need some model to run: this one, quantized ("dynamic") in a build that runs
// integer models only. A word for the shell.
std::string runnable(const std::string& model = kModel);

inline const std::string kSentences = "data/demo-sentences/test.tsv";

}  // namespace qe::tools
